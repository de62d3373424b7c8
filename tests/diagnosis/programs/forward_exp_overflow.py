import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 1)
x = torch.randn(8, 4) * 1000
rate = torch.exp(net(x))  # expect: GS403
loss = (rate - 1).pow(2).mean()
loss.backward()
