import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    x = torch.randn(4, 3)
    delta = torch.zeros_like(x, requires_grad=True)
    for _ in range(3):
        net(x + delta).pow(2).mean().backward()
        delta.data = (delta + 0.1 * delta.grad.sign()).clamp(-0.2, 0.2)
        delta.grad.zero_()
    opt.zero_grad()
    net(x + delta.detach()).pow(2).mean().backward()
    opt.step()
