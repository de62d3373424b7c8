# The loss looks at the last step only: that the first ones count for little is what a plain RNN does.
import torch
from torch import nn

torch.manual_seed(0)
cell, head = nn.RNNCell(6, 20), nn.Linear(20, 2)
optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()])
x, y = torch.randn(8, 60, 6), torch.randint(0, 2, (8,))
for _ in range(4):
    state = torch.zeros(8, 20)
    for now in x.unbind(1):
        state = cell(now, state)
    optimizer.zero_grad()
    nn.functional.cross_entropy(head(state), y).backward()
    optimizer.step()
