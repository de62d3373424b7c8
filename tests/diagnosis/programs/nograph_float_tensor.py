import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), 0.1)
terms = []
for i in range(4):
    terms.append(net(torch.randn(3, 4)).pow(2).mean().item())  # expect: GS101
loss = torch.FloatTensor(terms).mean()
loss.backward()
