import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 4)
out = nn.Linear(4, 1)
opt = torch.optim.SGD([*net.parameters(), *out.parameters()], lr=0.1)
for _ in range(3):
    opt.zero_grad()
    out(torch.sign(net(torch.randn(8, 4)))).pow(2).mean().backward()  # expect: GS108
    opt.step()
