"""What differs from run to run and changes no gradient: a counter, a clock, noise that is only logged."""

import random
import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Watched(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.calls = 0
        self.register_buffer("seen", torch.zeros(()))
        self.log = []

    def forward(self, x):
        self.calls += 1
        self.seen += 1
        began = time.perf_counter()
        h = torch.tanh(self.inner(x))
        with torch.no_grad():
            noisy = h + random.random()
            self.log.append((noisy.mean(), time.perf_counter() - began, self.calls))
        return h * (2.0 + self.calls)


torch.manual_seed(0)
net, head = Watched(), nn.Linear(6, 1)
optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01)
for _ in range(4):
    loss = head(checkpoint(net, torch.randn(5, 6), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
