"""Five models trained in turn, each with its last loss: nothing grows."""

import torch
from torch import nn


class Member(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.last = None


torch.manual_seed(0)
members = [Member() for _ in range(5)]
optimizers = [torch.optim.SGD(member.parameters(), lr=0.1) for member in members]
for _ in range(4):
    for member, optimizer in zip(members, optimizers, strict=True):
        loss = (member.linear(torch.randn(6, 3)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        member.last = loss
