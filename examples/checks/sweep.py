"""ReLU and a rounding with a straight-through gradient, over a range of inputs.

    gradscope check examples/checks/sweep.py:Relu --input 'tensor(1.0)' --sweep x=-3:3
    gradscope check examples/checks/sweep.py:Round --input 'tensor(1.0)' --sweep x=-3:3

Look for: the marks (backward) lie on the line (the numerical derivative) for ReLU. For the rounding
the line is at 0, with gaps where forward jumps, and the marks are at 1.
"""

import torch


class Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x > 0)


# gradscope: approximate[straight-through]
class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output
