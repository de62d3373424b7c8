import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
total = 0.0
for i in range(12):
    loss = net(torch.randn(4, 3)).pow(2).mean() / 4
    loss.backward()
    total += loss.item()
    if i % 4 == 3:
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        opt.zero_grad()
