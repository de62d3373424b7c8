"""Evaluation under torch.no_grad(): the value flows, no graph is built, and that is meant.

    gradscope trace examples/no_grad.py

Look for silence: the loss of the evaluation is never used for training.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(96, 8)
y = x.sum(dim=1, keepdim=True)

for epoch in range(3):
    model.train()
    for part in (slice(0, 32), slice(32, 64)):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[part]), y[part])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held_out = nn.functional.mse_loss(model(x[64:]), y[64:])
    print(f"epoch {epoch}   held out {held_out.item():.4f}   {held_out.requires_grad}")
