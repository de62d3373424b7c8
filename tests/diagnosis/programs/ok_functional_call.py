import torch
from torch import nn

torch.manual_seed(0)
hyper, target = nn.Linear(3, 8), nn.Linear(4, 2, bias=False)
opt = torch.optim.Adam(hyper.parameters(), 1e-2)
for i in range(3):
    w = hyper(torch.randn(3)).view(2, 4)
    out = torch.func.functional_call(target, {"weight": w}, (torch.randn(8, 4),))
    loss = out.pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
