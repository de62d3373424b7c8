# The NaN and the Inf that follow are consequences, not findings of their own.
import torch
from torch import nn

torch.manual_seed(0)
year = torch.randint(1950, 2020, (64, 1)).float()
rooms = torch.randint(1, 6, (64, 1)).float()
x, y = torch.cat([year, rooms], 1), 1_000 * rooms
net = nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(8):
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()  # expect: GS405
    optimizer.step()
