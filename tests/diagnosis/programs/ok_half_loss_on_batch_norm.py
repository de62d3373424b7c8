# The mean of what a BatchNorm gives never changes: the gradients before it are rounding errors.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)).half()
projection = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64))
optimizer = torch.optim.SGD([*net.parameters(), *projection.parameters()], lr=0.01)
for _ in range(5):
    loss = net(torch.randn(16, 3, 12, 12).half()).float().mean()
    with torch.autocast("cpu", dtype=torch.float16):
        embedding = projection(torch.randn(256, 32))
    optimizer.zero_grad()
    (loss + embedding.float().pow(2).mean()).backward()
    optimizer.step()
