# Large weights without any normalisation between them, but one before the head: the scale does not matter.
import torch
from torch import nn

torch.manual_seed(0)
layers = []
for _ in range(14):
    layer = nn.Linear(48, 48, bias=False)
    nn.init.normal_(layer.weight, std=0.6)
    layers += [layer, nn.ReLU()]
model = nn.Sequential(*layers, nn.LayerNorm(48), nn.Linear(48, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
x, y = torch.randn(16, 48), torch.randint(0, 4, (16,))
for _ in range(4):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
