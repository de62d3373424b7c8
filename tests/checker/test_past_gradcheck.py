"""Faults that torch's own gradcheck passes: each is passed there, and found here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import Function, gradcheck

import gradscope


class DoubledSoftmax(Function):
    """Fast mode's probes are positive, and rows of a softmax do not change along them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.softmax(-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return 2 * y * (g - (g * y).sum(-1, keepdim=True))


class NoSoftmax(Function):
    """A backward of zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.softmax(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return torch.zeros_like(g)


class ReadsMemory(Function):
    """Right for a contiguous grad_output: else it reads what lies beside it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        flat = torch.as_strided(g, (g.numel(),), (1,)) if g.stride()[-1] else g.flatten()
        return flat.reshape(x.shape) * x.exp()


class Unmarked(Function):
    """Changes its input and does not say so."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.mul_(2)
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 2


class OnContext(Function):
    """Keeps its input where no later change of it is noticed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.x * g


@pytest.mark.parametrize(
    ("function", "shape", "fast", "code"),
    [
        (DoubledSoftmax, (32, 32), True, "GS601"),
        (NoSoftmax, (32, 32), True, "GS601"),
        (ReadsMemory, (4, 3), False, "GS601"),
        (Unmarked, (4, 3), False, "GS606"),
        (OnContext, (4, 3), False, "GS605"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_gradcheck_passes(
    function: type[Function], shape: tuple[int, ...], fast: bool, code: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
    torch.manual_seed(0)
    assert gradcheck(lambda t: function.apply(t.clone()), (x,), fast_mode=fast)
    check = gradscope.check(function, x.detach())
    assert [finding.code for finding in check.findings] == [code]
