import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
a = torch.ones(3)
y = w * a
a.untyped_storage().fill_(0)  # expect: GS203
y.sum().backward()
