# One step on raw features is so large that every unit is dead afterwards, and the loss stays where it is.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 1))
x, y = torch.rand(100, 13) * 500, 50 * torch.rand(100, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(30):
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()  # expect: GS405
    optimizer.step()
