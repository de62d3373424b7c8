import torch

torch.manual_seed(0)

x = torch.randn(4, requires_grad=True)
y = x.exp()
y.mul_(2)  # expect: GS201
y.sum().backward()
