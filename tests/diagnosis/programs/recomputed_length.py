"""A crop of random length: torch itself refuses the recomputation, with shapes only."""

import random

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
random.seed(0)
layer, head = nn.Linear(5, 5), nn.Linear(5, 1)
optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)


def cropped(x):
    length = random.randint(4, 20)
    x = x[:, :length] * 1.0  # expect: GS702
    return torch.tanh(layer(x)).mean(1)


for _ in range(4):
    loss = head(checkpoint(cropped, torch.randn(3, 20, 5), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
