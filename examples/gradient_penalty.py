"""A gradient penalty that penalises nothing: the program runs, the penalty is a constant.

    gradscope trace examples/gradient_penalty.py

Look for: the autograd.grad call. Without `create_graph=True` the slope is a number without history,
so the penalty moves the loss up and down but pushes no weight.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
points = torch.rand(64, 2, requires_grad=True)
target = (points.detach() ** 2).sum(dim=1, keepdim=True)

for step in range(3):
    value = model(points)
    (slope,) = torch.autograd.grad(value.sum(), points, retain_graph=True)  # <- GS303
    penalty = (slope.norm(dim=1) - 1).square().mean()
    loss = (value - target).square().mean() + 10 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}   penalty {penalty.item():.4f}")
