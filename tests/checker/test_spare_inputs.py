"""Tensors that a program hands over and does not differentiate: tables, filters, masks, sparse matrices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import CheckedFunction, Outcome, Recording
from gradscope.finding import Severity


def check(function: type[Function], *args: Any) -> CheckedFunction:
    subject = subject_of(function, function.__name__)
    assert subject is not None
    return check_function(subject, [Sample(args)], Limits(19.0))


def codes(checked: CheckedFunction) -> list[str]:
    findings, _ = judge(Recording(checked=(checked,)))
    return [finding.code for finding in findings if finding.severity is not Severity.INFO]


class Filtered(Function):
    """Gives its filter no gradient, and reshapes it, so that a second derivative by it is lost too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(taps.reshape(1, -1))
        return x * taps.reshape(1, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (taps,) = ctx.saved_tensors
        return grad * taps, None


def test_none_for_what_the_program_does_not_differentiate_is_right() -> None:
    x, taps = torch.randn(3, 4, requires_grad=True), torch.randn(4)
    assert codes(check(Filtered, x, taps)) == []


def test_none_is_wrong_where_the_program_differentiates_it_or_nobody_said() -> None:
    x, taps = torch.randn(3, 4), torch.randn(4)
    assert codes(check(Filtered, x.requires_grad_(), taps.clone().requires_grad_())) == ["GS601"]
    assert codes(check(Filtered, x.detach(), taps)) == ["GS601"]


class Refusing(Function):
    """Raises on purpose where its first argument requires a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        if ctx.needs_input_grad[0]:
            raise RuntimeError("no gradients with respect to x")
        ctx.save_for_backward(x)
        return x * scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        (x,) = ctx.saved_tensors
        return None, (grad * x).sum()


def test_inputs_that_forward_refuses_to_differentiate_are_left_alone() -> None:
    for scale in (torch.tensor(2.0), torch.tensor(2.0, requires_grad=True)):
        checked = check(Refusing, torch.randn(5), scale)
        assert codes(checked) == []
        assert checked.outcomes[0].outcome is Outcome.PASSED
        assert checked.agreement is not None


class Asking(Function):
    """Computes something else where its bias requires no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square() + bias if bias.requires_grad else x.square()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        return 2 * x * grad, grad.sum(0)


def test_forward_sees_the_same_requires_grad_in_both_kinds_of_evaluation() -> None:
    assert not check(Asking, torch.randn(3, 4), torch.randn(4)).wrong_gradients


class Sparse(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        return matrix @ x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (matrix,) = ctx.saved_tensors
        return matrix.t() @ grad, None


def test_a_sparse_matrix_is_a_table_for_every_check() -> None:
    matrix = (torch.randn(5, 4) * (torch.randn(5, 4) > 0)).to_sparse()
    checked = check(Sparse, torch.randn(4, 3), matrix)
    assert codes(checked) == []
    assert [one for one in checked.outcomes if "fault" in one.detail] == []


class OfClass(Function):
    @classmethod
    def forward(cls, ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x * factor

    @classmethod
    def backward(cls, ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * 2 * ctx.factor, None


def test_the_arguments_of_a_classmethod_forward_have_their_names() -> None:
    (wrong,) = check(OfClass, torch.randn(3), 0.5).wrong_gradients
    assert wrong.input_name == "x"


class Scaled(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return 1.1 * grad * weight, (grad * x).sum(0)


def test_a_weight_of_ones_makes_no_identity() -> None:
    assert codes(check(Scaled, torch.randn(3, 4), torch.ones(4))) == ["GS601"]
