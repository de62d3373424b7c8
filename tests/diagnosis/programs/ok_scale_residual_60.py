import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(24), nn.Linear(24, 24)

    def forward(self, x):
        return x + torch.sigmoid(self.layer(self.norm(x)))


torch.manual_seed(0)
model = nn.Sequential(*[Block() for _ in range(60)], nn.Linear(24, 4))
optimizer = torch.optim.AdamW(model.parameters())
x, y = torch.randn(16, 24), torch.randint(0, 4, (16,))
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
