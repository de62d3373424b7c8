import torch
import torch.nn as nn

torch.manual_seed(0)

trunk, one, two = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)
opts = [torch.optim.SGD(m.parameters(), lr=0.01) for m in (one, two, trunk)]
for _ in range(4):
    for opt in opts:
        opt.zero_grad()
    one(trunk(torch.randn(4, 4)).relu()).pow(2).mean().backward()
    opts[0].step()
    two(trunk(torch.randn(4, 4)).relu()).pow(2).mean().backward()
    opts[1].step()
    opts[2].step()
