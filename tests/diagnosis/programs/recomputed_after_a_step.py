"""The optimizer steps between the forward and the backward of the second loss."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
trunk, left, right = nn.Linear(6, 8), nn.Linear(8, 1), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*trunk.parameters(), *left.parameters(), *right.parameters()], lr=0.5)


def features(x):
    h = trunk(x)
    return torch.tanh(h * h)


for _ in range(3):
    x, y = torch.randn(16, 6), torch.randn(16, 1)
    first = (left(checkpoint(features, x, use_reentrant=False)) - y).square().mean()
    second = (right(checkpoint(features, x, use_reentrant=False)) + y).square().mean()
    optimizer.zero_grad()
    first.backward()
    optimizer.step()  # expect: GS503
    optimizer.zero_grad()
    second.backward()
