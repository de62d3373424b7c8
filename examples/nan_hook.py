"""A hook that normalises each row of a gradient divides by the norm of a row that got none: NaN.

    gradscope trace examples/nan_hook.py

Look for: the line that registered the hook, not an op of the model. The ReLU of unit 3 never opens.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
with torch.no_grad():
    model[0].bias[3] = -100.0


def unit_rows(gradient):
    return gradient / gradient.norm(dim=1, keepdim=True)


model[0].weight.register_hook(unit_rows)  # <- GS401
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(16, 4)
for _ in range(2):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), x.sum(dim=1, keepdim=True))
    loss.backward()
    optimizer.step()
