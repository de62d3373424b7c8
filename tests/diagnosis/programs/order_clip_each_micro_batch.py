import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(8):
    (net(torch.randn(4, 3)).pow(2).mean() / 4).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.1)  # expect: GS502
    if (i + 1) % 4 == 0:
        opt.step()
        opt.zero_grad()
