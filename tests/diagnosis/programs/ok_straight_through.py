import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

enc, dec = nn.Linear(4, 4), nn.Linear(4, 4)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()])
for _ in range(3):
    x = torch.randn(8, 4)
    z = enc(x)
    q = z + (torch.round(z) - z).detach()
    loss = F.mse_loss(dec(q), x) + 0.25 * F.mse_loss(z, q.detach())
    opt.zero_grad()
    loss.backward()
    opt.step()
