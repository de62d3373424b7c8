import torch

x = torch.tensor(2.0, requires_grad=True)
a = x * 3
b = a + x
c = b * b
c.backward()
