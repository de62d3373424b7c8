"""A low-rank adapter that begins at zero: what dropout changes does not show in the output yet."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Adapter(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Linear(8, 8).requires_grad_(False)
        self.down = nn.Linear(8, 2, bias=False)
        self.up = nn.Linear(2, 8, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(nn.functional.dropout(self.down(x), 0.2))  # expect: GS702


torch.manual_seed(0)
adapter, head = Adapter(), nn.Linear(8, 1)
optimizer = torch.optim.SGD(
    [p for p in [*adapter.parameters(), *head.parameters()] if p.requires_grad], lr=0.1
)
for _ in range(3):
    h = checkpoint(adapter, torch.randn(6, 8), use_reentrant=False, preserve_rng_state=False)
    loss = head(h).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
