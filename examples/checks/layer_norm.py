"""Layer norm twice: a sketch that multiplies by gamma too late, and the derivative.

    gradscope check examples/checks/layer_norm.py

Look for: the gradient of x is wrong in the sketch, those of gamma and beta are right. Gamma belongs
inside the two means; where gamma is the same everywhere it makes no difference, so a fresh layer
(gamma all ones) trains well and a trained one does not.
"""

import torch


def normalized(x):
    std = (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(-1, keepdim=True)) / std, std


class Sketch(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta):
        ctx.save_for_backward(x, gamma)
        return gamma * normalized(x)[0] + beta

    @staticmethod
    def backward(ctx, g):  # <- GS601
        x, gamma = ctx.saved_tensors
        x_hat, std = normalized(x)
        centered = g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True)
        return gamma / std * centered, (g * x_hat).sum(0), g.sum(0)


class LayerNorm(torch.autograd.Function):
    forward = Sketch.forward

    @staticmethod
    def backward(ctx, g):
        x, gamma = ctx.saved_tensors
        x_hat, std = normalized(x)
        scaled = g * gamma
        centered = scaled - scaled.mean(-1, keepdim=True) - x_hat * (scaled * x_hat).mean(-1, keepdim=True)
        return centered / std, (g * x_hat).sum(0), g.sum(0)


x = torch.linspace(-1.0, 2.0, 12).reshape(3, 4).sin()
gamma = torch.tensor([0.5, 1.0, 1.5, 2.0])
gradscope_inputs = {"Sketch": (x, gamma, torch.zeros(4)), "LayerNorm": (x, gamma, torch.zeros(4))}
