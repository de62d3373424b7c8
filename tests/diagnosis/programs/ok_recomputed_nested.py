"""Checkpoints of both kinds in each other, with several outputs that are differentiated one by one."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, scale=None, inner=None):
        h = nn.functional.dropout(torch.tanh(self.first(x)), 0.1)
        if inner is not None:
            h = checkpoint(self.waves, h, use_reentrant=inner)
        return torch.tanh(self.second(h)) * (1.0 if scale is None else scale), h.sin()

    def waves(self, h):
        return torch.exp(nn.functional.dropout(h, 0.2)).cos()


torch.manual_seed(0)
net, head = Net(), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.05)
for _ in range(4):
    x = torch.randn(6, 8, requires_grad=True)
    a, b = checkpoint(net, x, torch.tensor(2.0), use_reentrant=False, inner=False)
    c, _ = checkpoint(net, x, None, True, use_reentrant=True)
    d, _ = checkpoint(net, x, None, False, use_reentrant=True)
    e, f = checkpoint(net, x, inner=True, use_reentrant=False)
    with set_checkpoint_early_stop(False):
        g, _ = checkpoint(net, x, scale=torch.ones(8), inner=False, use_reentrant=False)
    optimizer.zero_grad()
    head(a).square().mean().backward(retain_graph=True)
    (b.sum() * 0.1).backward()
    (head(c) + head(d)).square().mean().backward()
    (head(e) + f.sum()).square().mean().backward(retain_graph=True)
    (head(e) + g).mean().backward()
    optimizer.step()
