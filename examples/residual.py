"""Sixty layers that learn: each adds to its input, and is normalised before.

    gradscope trace examples/residual.py

Look for the bars in the module tree: the gradient reaches the first block as large as the last.
"""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(16), nn.Linear(16, 16)

    def forward(self, x):
        return x + torch.relu(self.layer(self.norm(x)))


torch.manual_seed(0)
model = nn.Sequential(*[Block() for _ in range(60)], nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x = torch.randn(64, 16)
y = x.sum(dim=1, keepdim=True)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
ratio = model[0].layer.weight.grad.norm() / model[59].layer.weight.grad.norm()
print(f"first block / last block {ratio.item():.1f}")
