"""Clamp: its two bounds are numbers, and numbers belong on ctx.

    gradscope check examples/checks/clamp.py

Look for: ok. `save_for_backward` is for tensors; a float on ctx is right, and an input tensor there
would be GS605. The bounds get the gradient None.
"""

import torch


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, min_val, max_val):
        ctx.save_for_backward(x)
        ctx.min_val = min_val
        ctx.max_val = max_val
        return x.clamp(min_val, max_val)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        inside = (x >= ctx.min_val) & (x <= ctx.max_val)
        return grad_output * inside, None, None


gradscope_inputs = {"Clamp": (torch.tensor([-2.0, -0.4, 0.7, 3.0]), -1.0, 1.0)}
