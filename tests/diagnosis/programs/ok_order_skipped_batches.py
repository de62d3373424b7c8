import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(8):
    opt.zero_grad()
    loss = net(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    if i % 3 == 1:
        opt.zero_grad()
        continue
    opt.step()
net(torch.randn(4, 3)).pow(2).mean().backward()
