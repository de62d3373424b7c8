import torch
from torch import nn

torch.manual_seed(0)

encoder = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
first, second = torch.ones(2, 4), torch.full((2, 4), 0.5)
distance = (encoder(first) - encoder(second)).pow(2).sum()
distance.backward()
