import torch

torch.manual_seed(0)

x = torch.randn(3, requires_grad=True)
hidden = x.exp()
hidden.sum().backward()
print(hidden.grad)  # expect: GS105
