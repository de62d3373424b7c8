"""Graphs used more than once, rightly: retain_graph, create_graph, autograd.grad, a second-order step."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.Softplus(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(32, 4), torch.randn(32, 2)

for step in range(3):
    optimizer.zero_grad()
    prediction = model(x)
    first = (prediction[:, 0] - y[:, 0]).square().mean()
    second = (prediction[:, 1] - y[:, 1]).abs().mean()
    weights = list(model.parameters())
    lengths = [
        sum(g.square().sum() for g in torch.autograd.grad(part, weights, retain_graph=True)).sqrt()
        for part in (first, second)
    ]
    (first / lengths[0]).backward(retain_graph=True)
    (second / lengths[1]).backward()
    fingerprint.gradients(step, first, model)
    optimizer.step()

for step in range(3, 6):
    optimizer.zero_grad()
    inputs = x.clone().requires_grad_()
    value = model(inputs)[:, :1]
    (slope,) = torch.autograd.grad(value.sum(), inputs, create_graph=True)
    loss = (value - y[:, :1]).square().mean() + (slope.norm(dim=1) - 1).square().mean()
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()

for step in range(6, 9):
    optimizer.zero_grad()
    inner = (model(x[:16]) - y[:16]).square().mean()
    slopes = torch.autograd.grad(inner, list(model.parameters()), create_graph=True)
    moved = {n: p - 0.1 * g for (n, p), g in zip(model.named_parameters(), slopes, strict=True)}
    outer = (torch.func.functional_call(model, moved, (x[16:],)) - y[16:]).square().mean()
    outer.backward()
    fingerprint.gradients(step, outer, model)
    optimizer.step()
fingerprint.parameters(model)
