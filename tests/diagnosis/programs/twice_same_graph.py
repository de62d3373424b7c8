import torch

torch.manual_seed(0)

x = torch.tensor(2.0, requires_grad=True)
y = x**3
y.backward()
y.backward()  # expect: GS301
