import torch

torch.manual_seed(0)

w = torch.randn(3, requires_grad=True) * 0.01  # expect: GS104
opt = torch.optim.SGD([w], lr=0.1)
