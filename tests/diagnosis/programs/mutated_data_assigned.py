import torch

torch.manual_seed(0)
v = torch.ones(3, requires_grad=True)
w = torch.randn(3, requires_grad=True)
loss = (v * w).sum()
w.data = w.data * 3  # expect: GS203
loss.backward()
