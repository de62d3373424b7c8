import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
total = 0
for _ in range(3):
    opt.zero_grad()
    total = total + net(torch.randn(2, 3)).pow(2).mean()  # expect: GS301
    total.backward()
    opt.step()
