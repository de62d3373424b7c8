import torch
import torch.nn as nn

torch.manual_seed(0)

teacher = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).requires_grad_(False)
student = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.Adam(student.parameters())
x = torch.randn(12, 2, requires_grad=True)
for _ in range(4):
    wanted = torch.autograd.grad(teacher(x).sum(), x)[0]
    force = torch.autograd.grad(student(x).sum(), x, create_graph=True)[0]
    loss = (force - wanted).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
