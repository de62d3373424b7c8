import torch
import torch.nn as nn

torch.manual_seed(0)

cell = nn.RNNCell(3, 5)
opt = torch.optim.SGD(cell.parameters(), lr=0.1)
h = torch.zeros(2, 5)
for _ in range(3):
    opt.zero_grad()
    h = cell(torch.randn(2, 3), h)  # expect: GS301
    h.pow(2).mean().backward()
    opt.step()
