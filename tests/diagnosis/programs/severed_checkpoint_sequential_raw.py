"""checkpoint_sequential on a raw input: all segments but the last are severed."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

torch.manual_seed(0)
model = nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(6)), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    output = checkpoint_sequential(model, 3, torch.randn(5, 6), use_reentrant=True)  # expect: GS701
    loss = output.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
