import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Linear(3, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    p = F.relu(net(torch.randn(8, 3)))
    loss = -torch.log(p).mean()  # expect: GS403
    opt.zero_grad()
    loss.backward()
    opt.step()
