import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.normal_(self.up.weight, std=0.3)
        nn.init.normal_(self.down.weight, std=0.3)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))  # expect: GS405


torch.manual_seed(0)
model = nn.Sequential(*[Block(32) for _ in range(20)], nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
x, y = torch.randn(16, 32), torch.randint(0, 4, (16,))
for _ in range(4):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
