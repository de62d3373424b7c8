"""An exponential moving average of the loss, kept for the display only: several nodes a step."""

import torch
from torch import nn


class Smoothed:
    def __init__(self):
        self.value = None

    def update(self, loss):
        self.value = loss if self.value is None else 0.9 * self.value + 0.1 * loss  # expect: GS302
        return self.value


torch.manual_seed(0)
model, smoothed = nn.Linear(4, 1), Smoothed()
optimizer = torch.optim.AdamW(model.parameters())
for _ in range(10):
    loss = (model(torch.randn(8, 4)) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    shown = smoothed.update(loss)
