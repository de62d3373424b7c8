"""Checkpointed blocks that are healthy: dropout and BatchNorm give the same again when they are recomputed.

    gradscope trace examples/checkpoint.py

Look for: no finding. A checkpoint sets torch's own generators back, so that dropout draws the same mask;
BatchNorm moves its running statistics a second time, which no gradient depends on in training.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
blocks = nn.ModuleList(
    nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2)) for _ in range(3)
)
head = nn.Linear(16, 1)
optimizer = torch.optim.SGD([*blocks.parameters(), *head.parameters()], lr=0.1)
for _ in range(3):
    h, y = torch.randn(32, 16), torch.randn(32, 1)
    for block in blocks:
        h = h + checkpoint(block, h, use_reentrant=False)
    loss = nn.functional.mse_loss(head(h), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
