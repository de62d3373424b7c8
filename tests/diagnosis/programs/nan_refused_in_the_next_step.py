"""A NaN gradient spoils a parameter; in the next step an op refuses it. The first is the cause."""

import torch
import torch.nn.functional as F

torch.manual_seed(0)
net = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.randn(8, 4)
for step in range(3):
    h = net(x)
    near = (h - h.detach()).pow(2).sum(-1)
    penalty = near.sqrt().mean()  # expect: GS401
    loss = F.binary_cross_entropy(torch.sigmoid(h), torch.ones(8, 4)) + penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
