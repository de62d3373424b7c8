"""Noise from a generator of the program's own, whose state no checkpoint restores."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.generator = torch.Generator().manual_seed(1)

    def forward(self, x):
        noise = torch.randn(x.shape, generator=self.generator)  # expect: GS702
        return torch.sigmoid(self.inner(x + 0.5 * noise)) * x


torch.manual_seed(0)
noisy, head = Noisy(), nn.Linear(6, 1)
optimizer = torch.optim.SGD([*noisy.parameters(), *head.parameters()], lr=0.1)
for _ in range(3):
    loss = head(checkpoint(noisy, torch.randn(5, 6), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
