import torch

torch.manual_seed(0)

x = torch.tensor(2.0, requires_grad=True)
y = x**3
(first,) = torch.autograd.grad(y, x)  # expect: GS303
(second,) = torch.autograd.grad(first, x)
