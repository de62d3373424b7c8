import torch
from torch import nn

torch.manual_seed(0)
enc, dec, book = nn.Linear(6, 4), nn.Linear(4, 6), nn.Embedding(8, 4)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters(), *book.parameters()], 1e-3)
for i in range(3):
    x = torch.randn(16, 6)
    z = enc(x)
    q = book(torch.cdist(z, book.weight).argmin(1))
    loss = (q - z.detach()).pow(2).mean() + 0.25 * (z - q.detach()).pow(2).mean()
    q = z + (q - z).detach()
    loss = loss + (dec(q) - x).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
