import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 4)
head = nn.Linear(4, 1)


@torch.no_grad()  # expect: GS102
def features(x):
    return net(x).relu()


opt = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.1)
for _ in range(2):
    opt.zero_grad()
    head(features(torch.randn(8, 4))).mean().backward()
    opt.step()
