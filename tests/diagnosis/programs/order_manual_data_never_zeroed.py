import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
for _ in range(5):
    net(torch.randn(8, 3)).pow(2).mean().backward()  # expect: GS501
    for p in net.parameters():
        p.data -= 0.01 * p.grad.data
