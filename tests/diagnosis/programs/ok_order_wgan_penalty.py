import torch
import torch.nn as nn

torch.manual_seed(0)

G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
og, od = torch.optim.RMSprop(G.parameters()), torch.optim.RMSprop(D.parameters())
for i in range(6):
    real, fake = torch.randn(8, 2), G(torch.randn(8, 2))
    od.zero_grad()
    (D(fake.detach()).mean() - D(real).mean()).backward()
    mixed = (0.5 * real + 0.5 * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
    (slope.norm(dim=1) - 1).pow(2).mean().backward()
    od.step()
    if i % 3 == 2:
        og.zero_grad()
        (-D(fake).mean()).backward()
        og.step()
