import torch

torch.manual_seed(0)
x = torch.full((8,), 0.5, dtype=torch.float16, requires_grad=True)
doubled = 2 * x  # expect: GS407
first, second = doubled.float(), doubled.float()
(40000 * first + 40000 * second).sum().backward()
