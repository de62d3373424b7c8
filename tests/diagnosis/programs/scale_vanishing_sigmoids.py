import torch
from torch import nn

torch.manual_seed(0)
layers = nn.ModuleList(nn.Linear(24, 24) for _ in range(12))
head = nn.Linear(24, 3)
optimizer = torch.optim.Adam([*layers.parameters(), *head.parameters()])
x, y = torch.randn(16, 24), torch.randint(0, 3, (16,))
for _ in range(4):
    h = x
    for layer in layers:
        h = torch.sigmoid(layer(h))  # expect: GS404
    optimizer.zero_grad()
    nn.functional.cross_entropy(head(h), y).backward()
    optimizer.step()
