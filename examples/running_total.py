"""A running total of the loss that keeps every graph alive.

    gradscope trace examples/running_total.py

Look for: the line that adds. `total` is a tensor with a history, which grows by one graph a step;
`total += loss.item()` adds the number alone.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(64, 8)
y = x.sum(dim=1, keepdim=True)

total = 0.0
for _ in range(20):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss  # <- GS302
print(f"mean loss {float(total) / 20:.4f}")
