import torch
import torch.nn as nn

torch.manual_seed(0)

D = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
G = nn.Linear(2, 2)
od, og = torch.optim.RMSprop(D.parameters()), torch.optim.RMSprop(G.parameters())
for _ in range(4):
    fake = G(torch.randn(8, 2))
    od.zero_grad()
    (D(fake.detach()).mean() - D(torch.randn(8, 2)).mean()).backward()
    od.step()
    for p in D.parameters():
        p.data.clamp_(-0.1, 0.1)
    og.zero_grad()
    (-D(fake).mean()).backward()
    og.step()
