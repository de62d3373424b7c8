import torch

torch.manual_seed(0)

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x.exp()
y.data.mul_(2)  # expect: GS203
y.sum().backward()
