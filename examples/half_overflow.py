"""float16 and a loss that is summed: a weight's gradient is beyond 65,504, and becomes Inf.

    gradscope trace examples/half_overflow.py

Look for: how large the gradient should be, and that what arrives at that op is still small. In float32, or
with the mean instead of the sum, the same program trains.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
houses = torch.randn(400, 6)
price = 350 + 20 * houses.sum(dim=1, keepdim=True)
for step in range(3):
    with torch.autocast("cpu", dtype=torch.float16):
        estimate = model(houses)  # <- GS407
    loss = (estimate.float() - price).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.1f}")
