"""Running statistics move twice under a checkpoint, and no gradient comes of them in training."""

import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.utils.checkpoint import checkpoint


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)
        self.batch = nn.BatchNorm1d(8, momentum=None)
        self.group, self.layer = nn.GroupNorm(2, 4), nn.LayerNorm(8)
        self.instance = nn.InstanceNorm1d(8, track_running_stats=True)
        self.table = nn.Embedding(6, 8, max_norm=0.5)

    def forward(self, x):
        if len(x) == 3:
            raise ValueError("an odd batch")
        h = self.batch(self.first(x)) + self.table(torch.arange(len(x)))
        h = self.group(h.unflatten(1, (4, 2))).flatten(1)
        h = self.instance(h.t().unsqueeze(0)).squeeze(0).t()
        return torch.tanh(self.last(self.layer(h)))


torch.manual_seed(0)
wrapped, net, head = checkpoint_wrapper(Norms()), Norms(), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*wrapped.parameters(), *net.parameters(), *head.parameters()], lr=0.01)
for _ in range(3):
    x = torch.randn(6, 8, requires_grad=True)
    for reentrant in (True, False):
        try:
            checkpoint(net, x[:3], use_reentrant=reentrant)
        except ValueError:
            pass
    h = checkpoint(net, wrapped(x), use_reentrant=False)
    (slope,) = torch.autograd.grad(h.sum(), x, create_graph=True)
    loss = head(h).square().mean() + 0.1 * slope.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
