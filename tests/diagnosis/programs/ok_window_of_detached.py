"""A window and an average of losses without their graphs, and a list that a backward empties."""

from collections import deque

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
window, average, pending = deque(maxlen=16), 0.0, []
for _ in range(8):
    pending.extend((model(torch.randn(6, 3)) - 1).square().mean() for _ in range(4))
    loss = torch.stack(pending).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    pending.clear()
    window.append(loss.detach())
    average = 0.9 * average + 0.1 * loss.detach()
