"""Layers kept in a plain list: model.parameters() does not know them, so they are never trained.

    gradscope trace examples/unregistered_parameter.py

Look for: the line that stores them. The blocks do get a gradient, but no optimizer moves them.
`nn.ModuleList` registers what a list hides.
"""

import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.blocks = [nn.Linear(8, 8) for _ in range(depth)]  # <- GS106
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.head(x)


torch.manual_seed(0)
x = torch.randn(32, 8)
y = x.sum(dim=1, keepdim=True)
model = Stack(depth=3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
