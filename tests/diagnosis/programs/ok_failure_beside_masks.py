"""The program dies of a wrong shape: the -inf of its mask and a NaN that nothing uses are not why."""

import torch

torch.manual_seed(0)
net = torch.nn.Linear(4, 3)
scores = net(torch.randn(8, 4))
unused = torch.log(-scores.detach().abs())
masked = scores.masked_fill(torch.eye(8, 3, dtype=torch.bool), float("-inf"))
torch.nn.functional.linear(masked, torch.randn(2, 5)).sum().backward()
