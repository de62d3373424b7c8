import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 1)
losses = []
for _ in range(3):
    losses.append(net(torch.randn(2, 4)).mean())
total = torch.tensor(losses).sum()  # expect: GS101
total.backward()
