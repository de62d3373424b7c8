"""What torch draws is drawn again as it was, and what is cached or looked up stays as it was."""

import functools

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

_phases = {}


@functools.lru_cache
def ramp(size):
    return torch.sin(torch.arange(size) * 0.1)


class Draws(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(8, 8) for _ in range(3))
        self.means = []
        self.first.register_forward_hook(lambda module, args, out: self.means.append(out.detach().mean()))

    def forward(self, x):
        if x.shape[1] not in _phases:
            _phases[x.shape[1]] = torch.cos(torch.arange(x.shape[1]) * 0.3)
        h = self.first(x) * _phases[x.shape[1]] + torch.randn_like(x) * 0.1
        h = nn.functional.gumbel_softmax(h, tau=0.5, hard=True) * torch.rand(8)
        h = torch.distributions.Normal(self.second(h), 1.0).rsample() + torch.poisson(torch.ones_like(h))
        h = h[torch.randperm(len(h))] * ramp(8)
        if h.abs().mean().item() > 0.1:
            h = torch.vmap(lambda row: torch.tanh(self.third(row)))(h)
        best, chosen = h.topk(2, -1)
        out = torch.zeros_like(h).scatter(1, chosen, best)
        out += 1
        return out.clone().relu_()


torch.manual_seed(0)
net, head = Draws(), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01)
for _ in range(4):
    loss = head(checkpoint(net, torch.randn(6, 8), use_reentrant=False)).square().mean()
    optimizer.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    optimizer.step()
