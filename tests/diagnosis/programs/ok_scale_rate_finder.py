# A search for the learning rate: it grows until the loss does, and stops.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=1e-5)
x = torch.randn(256, 8)
best = float("inf")
for step in range(100):
    optimizer.param_groups[0]["lr"] = 1e-5 * 1.15**step
    batch = x[torch.randint(0, 256, (32,))]
    loss = nn.functional.mse_loss(net(batch), batch.sum(1, keepdim=True))
    best = min(best, loss.item())
    if loss.item() > 4 * best:
        break
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
