import torch
import torch.nn as nn

torch.manual_seed(0)

base = nn.Linear(4, 4)
base.requires_grad_(False)
A, B = nn.Parameter(torch.randn(2, 4)), nn.Parameter(torch.zeros(4, 2))
opt = torch.optim.SGD([A, B], lr=0.1)
for _ in range(1):
    x = torch.randn(8, 4)
    loss = (base(x) + x @ A.t() @ B.t()).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
