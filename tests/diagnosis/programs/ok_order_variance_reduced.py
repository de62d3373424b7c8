import copy

import torch
import torch.nn as nn

torch.manual_seed(0)

data = torch.randn(5, 8, 3)
net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(2):
    anchor = copy.deepcopy(net).eval()
    anchor.zero_grad()
    anchor(data).pow(2).mean().backward()
    mean = [p.grad.clone() for p in anchor.parameters()]
    for x in data:
        anchor.zero_grad()
        anchor(x).pow(2).mean().backward()
        for p, m, a in zip(net.parameters(), mean, anchor.parameters()):
            p.grad = m - a.grad
        net(x).pow(2).mean().backward()
        opt.step()
