import torch

torch.manual_seed(0)

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
y.add_(1)
z = y[0:2]
z.mul_(3)
y[0] = 5
y.sum().backward()
