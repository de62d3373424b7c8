import torch

torch.manual_seed(0)

x = torch.ones(3, requires_grad=True)
x[0] = 5  # expect: GS202
