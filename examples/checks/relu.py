"""ReLU as a Function of its own, whose gradient at 0 is 1.

    gradscope check examples/checks/relu.py

Look for: ok. At 0 ReLU has a kink: every value from 0 (torch.relu) to 1 (here) is right there, and
the report says that a kink was hit.
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
        return grad_output * (x >= 0)


gradscope_inputs = {"Relu": (torch.tensor([-1.0, 0.0, 2.0]),)}
