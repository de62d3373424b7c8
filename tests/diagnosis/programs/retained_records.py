"""Results of every step as objects, in a list."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(slots=True)
class Result:
    step: int
    loss: Tensor


torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
results = []
for step in range(8):
    loss = (model(torch.randn(6, 3)) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    results.append(Result(step, loss))  # expect: GS302
