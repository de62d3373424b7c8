"""A counter inside the inner of two checkpoints."""

import itertools

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
first, second, head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters(), *head.parameters()], lr=0.1)
counter = itertools.count(1)


def inner(x):
    return torch.tanh(second(x) * next(counter))  # expect: GS702


def outer(x):
    h = torch.tanh(first(x))
    return checkpoint(inner, h, use_reentrant=False) + h


for _ in range(3):
    loss = head(checkpoint(outer, torch.randn(4, 6), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
