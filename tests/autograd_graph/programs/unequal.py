import torch
from torch import nn

torch.manual_seed(0)

net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(5)), nn.Linear(4, 6), nn.Linear(6, 2))
loss = net(torch.ones(3, 4)).sum()
loss.backward()
