"""A board of curves: a dict of steps for each tag, made when the tag is first seen."""

import torch
from torch import nn


class Board:
    def __init__(self):
        self.curves = {}

    def scalar(self, tag, value, step):
        self.curves.setdefault(tag, {})[step] = value  # expect: GS302


torch.manual_seed(0)
board, model = Board(), nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(8):
    loss = (model(torch.randn(6, 4)) - 1).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    board.scalar("train/loss", loss, step)
