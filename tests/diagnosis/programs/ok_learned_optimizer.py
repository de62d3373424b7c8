import torch
from torch import nn

torch.manual_seed(0)
lopt = nn.Linear(1, 1)
meta = torch.optim.Adam(lopt.parameters(), 1e-2)
for it in range(3):
    w = torch.zeros(3, requires_grad=True)
    total = 0.0
    for t in range(3):
        loss = (w - torch.ones(3)).pow(2).sum()
        total = total + loss
        (g,) = torch.autograd.grad(loss, w, retain_graph=True)
        w = w - 0.1 * (g + lopt(g.detach()[:, None]).squeeze(-1))
    meta.zero_grad()
    total.backward()
    meta.step()
