"""Rounding with a straight-through gradient: declared, so it is no mistake.

    gradscope check examples/checks/straight_through.py

Look for: declared straight-through. The derivative of rounding is 0, backward passes 1 on; the
comment above the class says that this is meant.
"""

import torch


# gradscope: approximate[straight-through]
class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


gradscope_inputs = {"Round": (torch.tensor([-1.2, 0.3, 2.4]),)}
