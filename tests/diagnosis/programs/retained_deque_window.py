"""A window of the last losses, with their graphs, behind two objects and a dict."""

from collections import deque

import torch
from torch import nn


class Window:
    def __init__(self):
        self.recent = deque(maxlen=16)

    def push(self, value):
        self.recent.append(value)  # expect: GS302


class Monitor:
    def __init__(self):
        self.windows = {"loss": Window()}

    def seen(self, **values):
        for name, value in values.items():
            self.windows[name].push(value)


torch.manual_seed(0)
model, monitor = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1)), Monitor()
optimizer = torch.optim.Adam(model.parameters())
for _ in range(9):
    loss = (model(torch.randn(7, 3)) - 2).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    monitor.seen(loss=loss)
