"""A loss term computed in NumPy: it counts in the value, it pushes nothing.

    gradscope trace examples/numpy_loss.py

Look for: the detach().numpy(). The spread is meant to keep the scale parameter near 1, but its gradient
stops there; torch.std computes the same and keeps the graph.
"""

import torch
from torch import nn


class Spread(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((4,), 3.0))

    def forward(self, x):
        return self.scale * x


torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randn(64, 4)
shift = nn.Parameter(torch.zeros(4))
spread = Spread()
optimizer = torch.optim.SGD([shift, *spread.parameters()], lr=0.1)
for _ in range(3):
    deviation = torch.tensor(spread(x).detach().numpy().std(axis=0))  # <- GS102
    loss = (x + shift - y).square().mean() + (deviation - 1).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
