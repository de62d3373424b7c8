import io

import torch
from torch import nn

torch.manual_seed(0)
enc, head = nn.Linear(4, 3), nn.Linear(3, 1)
opt = torch.optim.SGD([*enc.parameters(), *head.parameters()], 0.1)
for i in range(3):
    buffer = io.BytesIO()
    torch.save(enc(torch.randn(3, 4)), buffer)
    buffer.seek(0)
    h = torch.load(buffer)  # expect: GS102
    loss = head(h).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
