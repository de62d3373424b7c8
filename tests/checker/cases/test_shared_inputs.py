"""Inputs that share memory or depend on each other."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.shared_inputs import shared_inputs
from gradscope.facts.checks import Outcome
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

A = torch.linspace(-1, 2, 12).reshape(3, 4)
B = torch.linspace(0.5, 3, 12).reshape(3, 4)


class ForgetsOneOfTwins(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        ctx.twins = a.data_ptr() == b.data_ptr()
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b, None if ctx.twins else grad_output * a


class KeyedByMemory(Function):
    """Looks its inputs up by where their storage begins."""

    @staticmethod
    def forward(ctx, a, b):
        known = {t.untyped_storage().data_ptr(): t for t in (a, b)}
        a, b = (known[t.untyped_storage().data_ptr()] for t in (a, b))
        ctx.save_for_backward(a, b)
        return a * b * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b * b, 2 * grad_output * a * b


class KeepsTheGraph(Function):
    """Its gradient of `b` already holds what reaches `a` through `b`."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.through = b.grad_fn is not None and type(b.grad_fn).__name__ == "AddBackward0"
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b * (2 if ctx.through else 1), grad_output * a


def test_one_tensor_twice() -> None:
    facts = shared_inputs(setting_of(ForgetsOneOfTwins, A, B))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert wrong.condition == "only where `a` and `b` are the same tensor"
    assert wrong.analytical == pytest.approx(float(A[wrong.element]), rel=1e-5)
    assert wrong.numerical == pytest.approx(2 * float(A[wrong.element]), rel=1e-5)


def test_views_of_one_tensor_have_other_values() -> None:
    facts = shared_inputs(setting_of(KeyedByMemory, A, B))
    assert facts.outcome.outcome is Outcome.FAILED
    assert facts.notes == ("forward returns other values where `a` and `b` are views of one tensor",)


def test_one_computed_from_the_other() -> None:
    facts = shared_inputs(setting_of(KeepsTheGraph, A, B))
    (wrong,) = facts.wrong_gradients
    assert wrong.condition == "only where `b` is computed from `a`"


@pytest.mark.parametrize(
    "function", [healthy.ProductWithRules, healthy.Hypotenuse, healthy.MeanSquare, healthy.SumAndProduct]
)
def test_right_ones(function) -> None:
    facts = shared_inputs(setting_of(function, A, B))
    assert facts.outcome.outcome is Outcome.PASSED, facts
    assert facts.outcome.detail == "4 forms"


def test_where_it_does_not_apply() -> None:
    one = shared_inputs(setting_of(healthy.Softmax, A))
    changed = shared_inputs(setting_of(healthy.InplaceAdd, A, B, 0.5))
    assert one.outcome.outcome is changed.outcome.outcome is Outcome.NOT_APPLICABLE
