"""Softmax over all elements: s * (g - <s, g>) is its gradient, whatever the shape.

    gradscope check examples/checks/softmax.py

Look for: ok. Backward is the derivative of this forward. But forward normalises over all elements:
of a matrix the whole adds up to 1, not each row. Whether that is meant no derivative can tell.
"""

import torch


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        exp = torch.exp(x - x.max())
        softmax = exp / exp.sum()
        ctx.save_for_backward(softmax)
        return softmax

    @staticmethod
    def backward(ctx, grad_output):
        (softmax,) = ctx.saved_tensors
        return softmax * (grad_output - (softmax * grad_output).sum())


gradscope_inputs = {"Softmax": (torch.linspace(-1.0, 1.0, 6).reshape(2, 3),)}

if __name__ == "__main__":
    print(Softmax.apply(*gradscope_inputs["Softmax"]).sum(dim=-1).tolist())
