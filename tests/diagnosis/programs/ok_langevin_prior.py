import torch
import torch.nn as nn

torch.manual_seed(0)

energy = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(energy.parameters())
for _ in range(2):
    x = torch.randn(8, 2)
    for _ in range(3):
        x.requires_grad_()
        slope = torch.autograd.grad(energy(x).sum(), x)[0]
        x = (x - 0.1 * slope + 0.01 * torch.randn_like(x)).detach()
    loss = energy(torch.randn(8, 2) + 1).mean() - energy(x).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
