"""A hidden state whose last line before the next step is not part of the loss."""

import torch
from torch import nn

torch.manual_seed(0)
cell, head = nn.Linear(6, 4), nn.Linear(4, 1)
optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
state = torch.zeros(3, 4)
for _ in range(3):
    hidden = torch.tanh(cell(torch.cat([torch.randn(3, 2), state], 1)))  # expect: GS301
    loss = head(hidden).square().mean()
    state = 0.5 * torch.sigmoid(hidden)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
