import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 1))
og, od = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
for _ in range(4):
    real, z = torch.randn(8, 2), torch.randn(8, 2)
    og.zero_grad()
    fake = G(z)
    F.softplus(-D(fake)).mean().backward()
    og.step()
    (F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()).backward()  # expect: GS501
    od.step()
    od.zero_grad()
