"""Raw features and plain SGD: the gradient grows from step to step until the loss overflows.

    gradscope trace examples/diverging.py

Look for GS405 at the backward, with the Inf of mse_loss among its consequences: that line is not to blame,
the steps are too large for inputs of this size.
"""

import torch
from torch import nn

torch.manual_seed(0)
area = 50 + 250 * torch.rand(64, 1)
price = 2_000 * area
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(12):
    loss = nn.functional.mse_loss(model(area), price)
    optimizer.zero_grad()
    loss.backward()  # <- GS405
    optimizer.step()
print("loss", loss.item())
