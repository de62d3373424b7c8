import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    x = torch.randn(8, 4)
    with torch.no_grad():
        p = net(x).softmax(1)
    d = torch.randn_like(x).requires_grad_(True)
    kl = F.kl_div(net(x + 0.1 * d).log_softmax(1), p, reduction="batchmean")
    (g,) = torch.autograd.grad(kl, d)
    r = g / (g.norm() + 1e-8)
    loss = F.kl_div(net(x + r).log_softmax(1), p, reduction="batchmean")
    opt.zero_grad()
    loss.backward()
    opt.step()
