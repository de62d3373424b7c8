import torch

torch.manual_seed(0)

w = torch.randn(3, requires_grad=True)
a = torch.ones(3)
y = w * a
with torch.no_grad():
    a.set_(torch.full((3,), 7.0))  # expect: GS201
y.sum().backward()
