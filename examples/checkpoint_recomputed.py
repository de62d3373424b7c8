"""A layer that anneals itself at every call: the recomputation of a checkpoint is one call more.

    gradscope trace examples/checkpoint_recomputed.py

Look for: the op that is given another number in the backward. Torch compares only the shapes of what it
recomputes, so nothing raises, and the gradients are those of a layer that was never run.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Annealed(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(16, 8)
        self.sharpness = 1.0

    def forward(self, x):
        self.sharpness *= 1.25
        return torch.softmax(self.score(x) * self.sharpness, -1)  # <- GS702


torch.manual_seed(0)
layer, head = Annealed(), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)
for _ in range(3):
    x, y = torch.randn(32, 16), torch.randn(32, 1)
    loss = nn.functional.mse_loss(head(checkpoint(layer, x, use_reentrant=False)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
