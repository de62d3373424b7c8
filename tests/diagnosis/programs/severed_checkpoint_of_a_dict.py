"""A reentrant checkpoint is given its tensors in a dict, where it does not see them."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
first, second, head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 1)
parameters = [*first.parameters(), *second.parameters(), *head.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.1)


def inner(state):
    return torch.relu(second(state["hidden"])) * state["scale"]


for _ in range(4):
    state = {"hidden": first(torch.randn(5, 6)), "scale": 0.5}
    hidden = checkpoint(inner, state, use_reentrant=True)  # expect: GS701
    loss = head(hidden).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
