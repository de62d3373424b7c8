"""Dropout under preserve_rng_state=False: another mask in the backward."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
first, second = nn.Linear(8, 16), nn.Linear(16, 1)


def body(x):
    h = torch.tanh(first(x))
    h = nn.functional.dropout(h, 0.3)  # expect: GS702
    return second(h)


optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()])
for _ in range(3):
    out = checkpoint(body, torch.randn(12, 8), use_reentrant=False, preserve_rng_state=False)
    loss = out.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
