import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 1))
og, od = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
for _ in range(6):
    real, z = torch.randn(8, 2), torch.randn(8, 2)
    G.zero_grad()
    F.softplus(-D(G(z))).mean().backward()
    nn.utils.clip_grad_norm_(G.parameters(), 1.0)
    og.step()
    for _ in range(2):
        D.zero_grad(set_to_none=False)
        F.softplus(-D(real)).mean().backward()
        F.softplus(D(G(z).detach())).mean().backward()
        nn.utils.clip_grad_norm_(D.parameters(), 1.0)
        od.step()
