"""Stochastic depth draws from Python's random, which a checkpoint does not restore."""

import random

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Residual(nn.Module):
    def __init__(self, width, keep):
        super().__init__()
        self.keep = keep
        self.inner = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x):
        if random.random() < self.keep:  # expect: GS702
            x = x + self.inner(x) / self.keep
        return nn.functional.layer_norm(x, x.shape[-1:]) * 1.5


torch.manual_seed(0)
random.seed(3)
blocks = nn.ModuleList(Residual(10, 0.6) for _ in range(5))
head = nn.Linear(10, 3)
optimizer = torch.optim.Adam([*blocks.parameters(), *head.parameters()])
for _ in range(4):
    x = torch.randn(6, 10, requires_grad=True)
    for block in blocks:
        x = checkpoint(block, x, use_reentrant=True)
    loss = nn.functional.cross_entropy(head(x), torch.randint(0, 3, (6,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
