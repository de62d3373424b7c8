import torch

torch.manual_seed(0)

x = torch.ones(3, 2, requires_grad=True)
a, b, c = (x * 2).unbind(0)
a.mul_(2)  # expect: GS204
