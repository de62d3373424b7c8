import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), 0.1)
best, bad = float("inf"), 0
for e in range(8):
    loss = net(torch.randn(8, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        val = net(torch.randn(8, 4)).pow(2).mean()
    if val < best:
        best, bad = val.item(), 0
    else:
        bad += 1
    if bad > 3:
        break
    assert torch.isfinite(loss)
