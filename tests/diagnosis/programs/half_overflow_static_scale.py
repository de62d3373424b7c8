# A loss scale that is chosen once, and too high: each step writes NaN into the weights.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
scale = 2.0**20
for _ in range(10):
    x = torch.randn(32, 16)
    with torch.autocast("cpu", dtype=torch.float16):
        out = net(x)
    loss = (out.float() - 5 * x[:, :1]).pow(2).mean()  # expect: GS407
    optimizer.zero_grad()
    (loss * scale).backward()
    for parameter in net.parameters():
        parameter.grad /= scale
    optimizer.step()
