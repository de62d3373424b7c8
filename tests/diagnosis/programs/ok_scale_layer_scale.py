# Branches scaled by a trained 1e-6, as in CaiT: their gradients are small, but all alike.
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(16), nn.Linear(16, 16)
        self.scale = nn.Parameter(torch.full((16,), 1e-6))

    def forward(self, x):
        return x + self.scale * torch.relu(self.layer(self.norm(x)))


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), *[Block() for _ in range(18)], nn.Linear(16, 4))
optimizer = torch.optim.AdamW(model.parameters())
x, y = torch.randn(16, 8), torch.randint(0, 4, (16,))
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
