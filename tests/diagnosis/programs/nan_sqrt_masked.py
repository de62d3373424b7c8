import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(2, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.zeros(4, 2)
x[0] = 1.0
h = net(x) - net.bias
d = h.pow(2).sum(1)
r = torch.sqrt(d)  # expect: GS401
loss = torch.where(d > 0, r, torch.zeros_like(r)).sum()
loss.backward()
