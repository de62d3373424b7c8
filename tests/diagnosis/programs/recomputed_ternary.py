"""A conditional expression draws from Python's random."""

import random

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
random.seed(0)
left, right, head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*left.parameters(), *right.parameters(), *head.parameters()], lr=0.05)


def either(x):
    h = torch.tanh(left(x)) if random.random() < 0.5 else torch.relu(right(x))  # expect: GS702
    return torch.tanh(h) * h


for _ in range(4):
    loss = head(checkpoint(either, torch.randn(6, 8), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
