import torch
from torch import nn

torch.manual_seed(0)
G, D = nn.Linear(2, 3), nn.Linear(3, 1)
og, od = torch.optim.SGD(G.parameters(), 0.1), torch.optim.SGD(D.parameters(), 0.1)
bce = nn.functional.binary_cross_entropy_with_logits
for i in range(6):
    z = torch.randn(5, 2)
    d = bce(D(torch.randn(5, 3)), torch.ones(5, 1)) + bce(D(G(z).detach()), torch.zeros(5, 1))
    if d > 0.3:
        od.zero_grad()
        d.backward()
        od.step()
    g = bce(D(G(z)), torch.ones(5, 1))
    og.zero_grad()
    g.backward()
    og.step()
