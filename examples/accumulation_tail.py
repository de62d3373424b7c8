"""Gradient accumulation that forgets the tail: ten micro-batches, a step after every fourth.

    gradscope trace examples/accumulation_tail.py

Look for the note: the last two gradients are computed and never applied. This is often meant, so it is
no finding.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(80, 8)
y = x.sum(dim=1, keepdim=True)

for number, (xs, ys) in enumerate(zip(x.split(8), y.split(8)), start=1):
    loss = nn.functional.mse_loss(model(xs), ys) / 4
    loss.backward()
    if number % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
        print(f"step after micro-batch {number}")
