"""A codebook is updated inside the checkpoint, so that the recomputation looks codes up in the new one."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Quantizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 8)
        self.register_buffer("book", torch.randn(5, 8))

    def forward(self, x):
        z = self.project(x)
        with torch.no_grad():
            code = torch.cdist(z, self.book).argmin(1)  # expect: GS702
        distance = (z - self.book[code]).square()
        with torch.no_grad():
            self.book.mul_(0.5).add_(z.mean(0), alpha=0.5)
        return torch.tanh(distance)


torch.manual_seed(0)
quantizer, head = Quantizer(), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*quantizer.parameters(), *head.parameters()], lr=0.05)
for _ in range(3):
    loss = head(checkpoint(quantizer, torch.randn(6, 8), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
