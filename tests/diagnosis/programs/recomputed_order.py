"""The layers are shuffled by Python in each call."""

import random

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Shuffled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, x):
        order = list(self.layers)
        random.shuffle(order)
        for layer in order:
            x = torch.tanh(layer(x))  # expect: GS702
        return x


torch.manual_seed(0)
random.seed(5)
body, head = Shuffled(), nn.Linear(6, 1)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
for _ in range(3):
    loss = head(checkpoint(body, torch.randn(4, 6), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
