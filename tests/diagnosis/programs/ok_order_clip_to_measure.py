import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
norms = []
for _ in range(4):
    opt.zero_grad()
    norms.append(nn.utils.clip_grad_norm_(net.parameters(), float("inf")))
    net(torch.randn(4, 3)).pow(2).mean().backward()
    norms.append(nn.utils.clip_grad_norm_(net.parameters(), 1.0))
    opt.step()
    norms.append(nn.utils.clip_grad_norm_(net.parameters(), 1.0))
print(sum(norms))
