"""Outputs that nobody uses count as zeros."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.undefined_gradients import NOTHING_ARRIVES, undefined_gradients
from gradscope.facts.checks import Outcome, ReturnFault
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 6)


class SumAndSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sum(), x * x

    @staticmethod
    def backward(ctx, grad_sum, grad_square):
        (x,) = ctx.saved_tensors
        return grad_sum + 2 * x * grad_square


class HandlesNone(SumAndSquare):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return SumAndSquare.forward(ctx, x)

    @staticmethod
    def backward(ctx, grad_sum, grad_square):
        (x,) = ctx.saved_tensors
        if grad_sum is None and grad_square is None:
            return None
        total = torch.zeros_like(x)
        if grad_sum is not None:
            total = total + grad_sum
        if grad_square is not None:
            total = total + 2 * x * grad_square
        return total


class ForgetsNone(HandlesNone):
    @staticmethod
    def backward(ctx, grad_sum, grad_square):
        (x,) = ctx.saved_tensors
        return grad_sum + 2 * x * grad_square


class DropsTheOther(HandlesNone):
    """Returns None at once where one of the two is missing."""

    @staticmethod
    def backward(ctx, grad_sum, grad_square):
        if grad_sum is None or grad_square is None:
            return None
        return SumAndSquare.backward(ctx, grad_sum, grad_square)


class FailsOnNothing(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output


@pytest.mark.parametrize("function", [SumAndSquare, HandlesNone])
def test_zeros_and_handled_none_are_right(function):
    facts = undefined_gradients(setting_of(function, X))
    assert facts.outcome.outcome is Outcome.PASSED
    assert (*facts.wrong_returns, *facts.wrong_gradients) == ()


def test_a_forgotten_none_raises():
    facts = undefined_gradients(setting_of(ForgetsNone, X))
    (fault,) = facts.wrong_returns
    assert fault.fault is ReturnFault.RAISES
    assert fault.condition == "where only output 0 is used"
    assert "NoneType" in fault.error
    assert fault.location is not None


def test_a_gradient_that_is_lost_with_the_unused_output():
    facts = undefined_gradients(setting_of(DropsTheOther, X))
    (wrong,) = facts.wrong_gradients
    assert (wrong.input_name, wrong.analytical) == ("x", None)
    assert wrong.condition == "where only output 0 is used"


def test_nothing_that_arrives_has_a_condition_of_its_own():
    facts = undefined_gradients(setting_of(FailsOnNothing, X))
    assert [one.condition for one in facts.wrong_returns] == [NOTHING_ARRIVES]
    assert facts.outcome.outcome is Outcome.PASSED


def test_an_output_that_is_not_differentiable_is_no_output_here():
    class WithIndex(Function):
        @staticmethod
        def forward(ctx, x):
            value, index = x.max(0)
            rank = index.double()
            ctx.mark_non_differentiable(rank)
            ctx.save_for_backward(index)
            ctx.size = x.numel()
            return value, rank

        @staticmethod
        def backward(ctx, grad_value, _):
            (index,) = ctx.saved_tensors
            return torch.zeros(ctx.size, dtype=grad_value.dtype).index_fill(0, index, 1.0) * grad_value

    facts = undefined_gradients(setting_of(WithIndex, X))
    assert facts.outcome.outcome is Outcome.PASSED
