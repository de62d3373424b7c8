import torch
import torch.nn as nn

torch.manual_seed(0)

cell, head = nn.GRUCell(3, 5), nn.Linear(5, 1)
opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
h = torch.zeros(2, 5)
for _ in range(6):
    h = h.detach()
    loss = 0
    for _ in range(3):
        h = cell(torch.randn(2, 3), h)
        loss = loss + head(h).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
