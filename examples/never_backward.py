"""A program that computes a loss and never calls backward.

    gradscope trace examples/never_backward.py

Look for: "no backward was run" and exit status 2. Nothing was looked at, so nothing is called clean.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x = torch.randn(8, 4)
loss = model(x).square().mean()
print(f"{loss.item():.4f}")
