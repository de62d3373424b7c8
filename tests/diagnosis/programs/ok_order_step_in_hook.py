import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
opts = {p: torch.optim.SGD([p], lr=0.1) for p in net.parameters()}


def update(p):
    opts[p].step()
    opts[p].zero_grad()


for p in net.parameters():
    p.register_post_accumulate_grad_hook(update)
for _ in range(4):
    net(torch.randn(4, 4)).pow(2).mean().backward()
