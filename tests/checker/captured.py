"""Small programs whose calls are watched."""

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Square(Function):
    """Its gradient can be differentiated again."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


class Silent(Function):
    """Loses the second derivative: NumPy in backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * torch.from_numpy(3 * x.detach().numpy() ** 2)


class Once(Function):
    @staticmethod
    def forward(ctx, x, depth):
        ctx.save_for_backward(x, depth)
        return depth * x**3

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        x, depth = ctx.saved_tensors
        return grad_output * 3 * depth * x**2, (grad_output * x**3).sum()


class Keeps(Function):
    """Keeps its input, its output and a number on ctx."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.x, ctx.factor = x, factor
        ctx.y = x * factor
        ctx.half = x / 2
        return ctx.y

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, None


apply_square = Square.apply


@torch.library.custom_op("captured_in_the_tests::scaled", mutates_args=())
def scaled(x: torch.Tensor, factor: float, *, offset: float = 0.0) -> torch.Tensor:
    return x * factor + offset


def _setup(ctx, inputs, keyword_only_inputs, output):
    ctx.factor = inputs[1]


def _backward(ctx, grad):
    return grad * ctx.factor, None


scaled.register_autograd(_backward, setup_context=_setup)


@torch.library.custom_op("captured_in_the_tests::total", mutates_args=())
def total(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(tensors).sum(0)


def _count(ctx, inputs, output):
    ctx.count = len(inputs[0])


total.register_autograd(lambda ctx, grad: [grad] * ctx.count, setup_context=_count)


class Field(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x):
        return self.function.apply(self.weight * x)
