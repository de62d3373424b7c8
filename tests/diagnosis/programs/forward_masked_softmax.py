import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 4)
scores = net(torch.randn(3, 4))
mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]).bool()
weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)  # expect: GS403
weights.pow(2).sum().backward()
