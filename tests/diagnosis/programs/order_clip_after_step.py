import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    net(torch.randn(4, 3)).pow(2).mean().backward()
    opt.step()
    nn.utils.clip_grad_value_(net.parameters(), 0.5)  # expect: GS502
    opt.zero_grad()
