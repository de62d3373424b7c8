import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True), nn.Linear(4, 1))
out = net(torch.randn(2, 4) - 3)  # expect: GS201
out.sum().backward()
