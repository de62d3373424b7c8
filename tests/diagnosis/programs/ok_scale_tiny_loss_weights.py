# Heads side by side, each with a tenth of the weight of the one before.
import torch
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
heads = nn.ModuleList(nn.Linear(32, 1) for _ in range(9))
optimizer = torch.optim.Adam([*body.parameters(), *heads.parameters()])
x = torch.randn(32, 8)
for _ in range(5):
    h = body(x)
    loss = sum(10.0**-i * (head(h) - x[:, :1]).pow(2).mean() for i, head in enumerate(heads))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
