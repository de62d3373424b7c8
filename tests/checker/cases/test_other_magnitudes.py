"""The same inputs, larger and smaller: what a function is too steep for says nothing about its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

import gradscope
from gradscope.finding import Confidence, Severity


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


class OfUnitLength(Function):
    """Right for rows of length 1 only, and all rows it is given have it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x / x.norm(dim=-1, keepdim=True)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad_output - x * (grad_output * x).sum(-1, keepdim=True)


class SoftTargets(Function):
    """Right where the targets of a row add up to one; they get a gradient of zeros."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(logits, target)
        return -(target.detach() * logits.log_softmax(-1)).sum() + 0 * target.detach().sum()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        return grad_output * (logits.softmax(-1) - target), None


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


def test_what_scaling_may_have_broken_is_no_error() -> None:
    x = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=-1)
    (finding,) = gradscope.check(OfUnitLength, x, seconds=4.0).findings
    assert (finding.code, finding.severity, finding.confidence) == (
        "GS601",
        Severity.WARNING,
        Confidence.PROBABLE,
    )


def test_data_is_not_scaled() -> None:
    logits, target = torch.randn(4, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1]]
    found = gradscope.check(SoftTargets, logits, target, seconds=4.0).findings
    assert not [finding for finding in found if "times" in str(finding.evidence["condition"] or "")]
