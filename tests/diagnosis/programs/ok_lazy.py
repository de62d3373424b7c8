"""Modules whose parameters have no shape before the first forward."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(1))
x, y = torch.randn(16, 3), torch.randn(16, 1)
model(x)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
