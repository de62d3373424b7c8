"""The distance of a point to itself is 0, and the derivative of sqrt at 0 is infinite.

    gradscope trace examples/nan_distance.py

Look for: the square root. The diagonal is masked out of the loss, so its gradient is 0; but
0 times infinity is NaN, and NaN spreads to every weight. The loss itself stays finite.
"""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Linear(8, 4)
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
points = torch.randn(16, 8)
others = ~torch.eye(16, dtype=torch.bool)

for step in range(2):
    h = encoder(points)
    squared = (h[:, None] - h[None, :]).square().sum(dim=-1)
    distance = torch.sqrt(squared)  # <- GS401
    loss = (distance * others - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}")
