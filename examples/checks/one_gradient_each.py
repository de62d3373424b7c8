"""One gradient for each argument of forward, None for those that need none.

    gradscope check examples/checks/one_gradient_each.py

Look for: backward returns one gradient, forward takes two arguments. Torch says so only when
backward runs, and does not name the argument.
"""

import torch


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return factor * x

    @staticmethod
    def backward(ctx, grad_output):  # <- GS602
        return ctx.factor * grad_output


gradscope_inputs = {"Scale": (torch.tensor([1.0, 2.0]), 3.0)}
