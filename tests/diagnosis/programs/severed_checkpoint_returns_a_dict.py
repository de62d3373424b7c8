"""A reentrant checkpoint returns its tensors in a dict, where it does not look."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.spread = nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, h):
        return {"mean": self.mean(h), "spread": nn.functional.softplus(self.spread(h))}


torch.manual_seed(0)
body, head, bias = nn.Linear(6, 8), Head(), nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters(), bias], lr=0.1)
for _ in range(3):
    out = checkpoint(head, body(torch.randn(7, 6)), use_reentrant=True)  # expect: GS701
    loss = (out["mean"] + bias - 1).square().mean() + out["spread"].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
