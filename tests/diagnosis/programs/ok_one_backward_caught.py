import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(5, 4)).pow(2).mean()
    if i == 1:
        loss = loss.detach()
    opt.zero_grad()
    try:
        loss.backward()
        opt.step()
    except RuntimeError:
        continue
