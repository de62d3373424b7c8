import torch

torch.manual_seed(0)

w = torch.randn(3, requires_grad=True)
a = torch.randn(3)
b = w * a
torch.mul(torch.ones(3), 2.0, out=a)  # expect: GS201
b.sum().backward()
