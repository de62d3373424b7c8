import torch

torch.manual_seed(0)

x = torch.tensor(2.0, requires_grad=True)
x = x * 2  # expect: GS104
y = x**2
y.backward()
print(x.grad)
