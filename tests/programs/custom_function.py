"""Custom autograd Functions: a smooth activation, a straight-through rounding, one with two results."""

import fingerprint
import torch
from torch import nn


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, beta):
        gate = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, gate)
        ctx.beta = beta
        return x * gate

    @staticmethod
    def backward(ctx, grad):
        x, gate = ctx.saved_tensors
        return grad * (gate + ctx.beta * x * gate * (1 - gate)), None


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(8 * x) / 8

    @staticmethod
    def backward(ctx, grad):
        return grad


class Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_non_differentiable(sign := torch.sign(x))
        ctx.save_for_backward(sign)
        return x.abs(), sign

    @staticmethod
    def backward(ctx, grad_size, grad_sign):
        (sign,) = ctx.saved_tensors
        return grad_size * sign


torch.manual_seed(0)
first, second = nn.Linear(8, 16), nn.Linear(16, 1)
named = [*first.named_parameters("first"), *second.named_parameters("second")]
optimizer = torch.optim.SGD([parameter for _, parameter in named], lr=0.05)
x = torch.randn(32, 8)
y = x.sum(dim=1, keepdim=True)
for step in range(4):
    optimizer.zero_grad()
    h = Round.apply(Swish.apply(first(x), 1.5))
    size, sign = Split.apply(h)
    loss = (second(size * sign) - y).square().mean()
    loss.backward()
    fingerprint.gradients(step, loss, named)
    optimizer.step()
fingerprint.parameters(named)
