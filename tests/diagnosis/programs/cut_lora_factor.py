"""A low-rank adapter whose second factor is cut off: it stays 0, and so does the gradient of the first."""

import torch

torch.manual_seed(0)
base = torch.nn.Linear(6, 6).requires_grad_(False)
down = torch.nn.Parameter(torch.randn(2, 6))
up = torch.nn.Parameter(torch.zeros(6, 2))
optimizer = torch.optim.Adam([down, up], lr=0.01)
for step in range(4):
    x = torch.randn(8, 6)
    y = base(x) + x @ down.T @ up.T.detach()  # expect: GS102
    optimizer.zero_grad()
    (y - x).pow(2).mean().backward()
    optimizer.step()
