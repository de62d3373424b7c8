"""The same inputs, larger and smaller: what a function is too steep for says nothing about its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

import gradscope


class Waves(Function):
    """Right everywhere; at ten times these inputs it turns so fast that float64 cannot follow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sin(torch.exp(x**2))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        inner = torch.exp(x**2)
        return grad_output * torch.cos(inner) * inner * 2 * x


class Threshold(Function):
    """x above 5 is doubled, and backward has forgotten it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.where(x > 5.0, 2 * x - 5.0, x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return 1.0 * grad_output


def inputs() -> Tensor:
    return torch.linspace(-0.95, 0.95, 12)


def test_a_function_that_turns_too_fast_is_right() -> None:
    checked = gradscope.check(Waves, inputs(), seconds=4.0)
    assert checked.findings == ()


def test_a_branch_for_large_inputs_is_found() -> None:
    (finding,) = gradscope.check(Threshold, inputs(), seconds=4.0).findings
    assert (finding.code, finding.evidence["condition"]) == (
        "GS601",
        "only where the inputs are ten times larger",
    )
