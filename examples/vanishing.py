"""Twenty sigmoids in a row: each passes on at most a quarter of the gradient.

    gradscope trace examples/vanishing.py

Look for the profile in the finding: from the last layer to the first the gradient falls by more than fifteen
orders of magnitude. The residual net, whose layers add to their input, keeps its gradient: no finding.
"""

import torch
from torch import nn


class Deep(nn.Module):
    def __init__(self, residual):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(20))
        self.head = nn.Linear(16, 1)
        self.residual = residual

    def forward(self, x):
        for layer in self.layers:
            h = torch.sigmoid(layer(x))  # <- GS404
            x = x + h if self.residual else h
        return self.head(x)


torch.manual_seed(0)
x = torch.randn(64, 16)
y = x.sum(dim=1, keepdim=True)
for residual in (False, True):
    model = Deep(residual)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    first, last = model.layers[0].weight.grad.norm(), model.layers[-1].weight.grad.norm()
    print(f"residual {residual!s:5}   first layer / last layer {(first / last).item():.0e}")
