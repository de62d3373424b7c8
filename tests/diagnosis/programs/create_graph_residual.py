import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters())
t = torch.linspace(0, 1, 12).view(-1, 1).requires_grad_()
for _ in range(3):
    y = net(t)
    speed = torch.autograd.grad(y.sum(), t, create_graph=True)[0]
    force = torch.autograd.grad(speed.sum(), t, retain_graph=True)[0]  # expect: GS303
    start = (net(torch.zeros(1, 1)) - 1).pow(2).sum()
    loss = (force + y).pow(2).mean() + start
    opt.zero_grad()
    loss.backward()
    opt.step()
