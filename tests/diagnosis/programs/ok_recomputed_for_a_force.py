"""A gradient is taken inside the checkpoint: its region is recomputed once in the first run already."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
energy = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1, bias=False))
head = nn.Linear(4, 1)
optimizer = torch.optim.SGD([*energy.parameters(), *head.parameters()], lr=0.05)


def force(x):
    (slope,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
    return torch.tanh(slope)


for _ in range(3):
    x = torch.randn(5, 4, requires_grad=True)
    loss = head(checkpoint(force, x, use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
