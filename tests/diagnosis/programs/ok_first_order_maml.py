import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Linear(2, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    x, y = torch.randn(8, 2), torch.randn(8, 1)
    inner = F.mse_loss(F.linear(x, net.weight, net.bias), y)
    gw, gb = torch.autograd.grad(inner, [net.weight, net.bias])
    w, b = net.weight - 0.1 * gw, net.bias - 0.1 * gb
    outer = F.mse_loss(F.linear(torch.randn(8, 2), w, b), torch.randn(8, 1))
    opt.zero_grad()
    outer.backward()
    opt.step()
