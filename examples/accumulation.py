"""Gradient accumulation: four micro-batches, one step, the same gradient as one big batch.

    gradscope trace examples/accumulation.py

Look for silence. Each loss is divided by 4, so the four gradients add up to the mean; zero_grad comes
after the step, not between the micro-batches.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(64, 8)
y = x.sum(dim=1, keepdim=True)

(whole,) = torch.autograd.grad(nn.functional.mse_loss(model(x[:32]), y[:32]), model.weight)
for number, (xs, ys) in enumerate(zip(x.split(8), y.split(8)), start=1):
    loss = nn.functional.mse_loss(model(xs), ys) / 4
    loss.backward()
    if number == 4:
        print("same gradient as the whole batch:", torch.allclose(model.weight.grad, whole))
    if number % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
        print(f"step after micro-batch {number}")
