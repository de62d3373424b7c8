"""Gradients of four micro-batches added up before each step, clipped once."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
x = torch.randn(96, 8)
y = x.sum(dim=1, keepdim=True)
for number, (xs, ys) in enumerate(zip(x.split(8), y.split(8), strict=True), start=1):
    loss = nn.functional.mse_loss(model(xs), ys) / 4
    loss.backward()
    if number % 4 == 0:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        fingerprint.gradients(number, loss, model)
        optimizer.step()
        optimizer.zero_grad()
fingerprint.parameters(model)
