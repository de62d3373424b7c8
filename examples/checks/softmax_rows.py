"""Softmax over rows, with the backward of a softmax over all elements.

    gradscope check examples/checks/softmax_rows.py

Look for: the backward is wrong. In one dimension it would be right, so a test on a vector passes;
of a matrix each row needs its own sum, `.sum(dim=-1, keepdim=True)`.
"""

import torch


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        softmax = torch.softmax(x, dim=-1)
        ctx.save_for_backward(softmax)
        return softmax

    @staticmethod
    def backward(ctx, grad_output):  # <- GS601
        (softmax,) = ctx.saved_tensors
        return softmax * (grad_output - (softmax * grad_output).sum())


gradscope_inputs = {"Softmax": (torch.linspace(-1.0, 1.0, 6).reshape(2, 3),)}
