"""A tensor changed after an op had saved it for its backward.

    gradscope trace examples/inplace_saved.py

Look for: two lines. softmax saves its own result, because its derivative is made of it; the scaling
below changes that result. `att = att * 0.5` leaves the saved one alone.
"""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        att = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        att = torch.softmax(att, dim=-1)
        att *= 0.5  # <- GS201
        return self.out(att @ v)


torch.manual_seed(0)
model = Attention(16)
x = torch.randn(4, 8, 16)
loss = (model(x) - x).square().mean()
loss.backward()
