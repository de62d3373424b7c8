import torch

torch.manual_seed(0)

x = torch.ones(3, requires_grad=True)
x += 1  # expect: GS202
