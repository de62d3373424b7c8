# The loss falls to zero, and the gradient with it; then a new target comes, and both jump.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
x = torch.randn(32, 3)
for target in (1.0, 1000.0):
    y = target * x[:, :1]
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
