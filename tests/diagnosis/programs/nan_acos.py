import torch

torch.manual_seed(0)
w = torch.ones(2, requires_grad=True)
angle = torch.acos(w * w)  # expect: GS402
angle.sum().backward()
