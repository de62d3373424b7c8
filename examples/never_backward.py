"""A program that computes a loss and never calls backward.

    gradscope trace examples/never_backward.py

Look for: "no backward was run" and exit status 2. Nothing was looked at, so nothing is called clean.
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0])
y = torch.tensor([2.1, 3.9, 6.2])
w = torch.tensor(0.5, requires_grad=True)
loss = (w * x - y).square().mean()
print(f"{loss.item():.4f}")
