"""A module that remembers what it made of its parameter in the first step."""

import torch
from torch import nn


class Cached(nn.Module):
    def __init__(self):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(4, 4))
        self.kernel = None

    def forward(self, x):
        if self.kernel is None:
            self.kernel = torch.sigmoid(self.raw)  # expect: GS301
        return torch.tanh(x @ self.kernel)


torch.manual_seed(0)
model = Cached()
optimizer = torch.optim.Adam(model.parameters())
for _ in range(3):
    loss = model(torch.randn(6, 4)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
