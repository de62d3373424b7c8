"""Reentrant checkpoints that work: an input that requires a gradient, frozen layers inside, inference."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)
frozen = nn.Sequential(nn.Linear(6, 6), nn.Tanh()).requires_grad_(False)
layers = nn.Sequential(*(nn.Linear(6, 6) for _ in range(4)))
scale = nn.Parameter(torch.ones(6))
head = nn.Linear(6, 1)
optimizer = torch.optim.SGD([scale, *layers.parameters(), *head.parameters()], lr=0.05)


def scaled(x, scale):
    return torch.tanh(x * scale)


for _ in range(4):
    x = torch.randn(5, 6)
    x = checkpoint(frozen, x, use_reentrant=True)
    x = checkpoint(scaled, x, scale, use_reentrant=True)
    x = checkpoint_sequential(layers, 2, x, use_reentrant=True)
    loss = head(x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        again = checkpoint(layers, torch.randn(5, 6), use_reentrant=True)
