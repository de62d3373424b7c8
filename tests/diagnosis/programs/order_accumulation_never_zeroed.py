import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(8):
    loss = net(torch.randn(4, 3)).pow(2).mean() / 4
    loss.backward()  # expect: GS501
    if i % 4 == 3:
        opt.step()
