"""A hook that a factory makes: the list it fills is nobody's variable any more."""

import torch
from torch import nn

hooks = []


def keep_losses():
    kept = []

    def after_step(step, loss):
        kept.append((step, loss))  # expect: GS302

    return after_step


torch.manual_seed(0)
hooks.append(keep_losses())
model = nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    loss = model(torch.randn(5, 4)).tanh().square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for hook in hooks:
        hook(step, loss)
