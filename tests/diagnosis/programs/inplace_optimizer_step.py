import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
loss = net(torch.randn(2, 4)).mean()
other = net(torch.randn(2, 4)).mean()
loss.backward()
opt.step()  # expect: GS201
other.backward()
