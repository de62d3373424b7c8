"""Inputs without elements, and without dimensions."""

from __future__ import annotations

import torch
from torch.autograd import Function

from gradscope.checker.cases.small_inputs import zero_dimensional, zero_size
from gradscope.facts.checks import Outcome
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 12).reshape(4, 3)


class GarbageForNoRows(Function):
    """Returns what was in memory for the weight when there is no row to sum over."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return torch.cat([(x * weight).sum().reshape(1), weight])

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        if not len(x):
            return grad_output.new_zeros(x.shape), torch.full_like(weight, 5.0)
        g, rest = grad_output[0], grad_output[1:]
        return g * weight.expand_as(x), g * x.sum(0) + rest


class RaisesForNoRows(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        assert len(x)
        return grad_output * 2


class WrongForOneNumber(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (3 * x**2 if x.dim() else x)


def test_garbage_for_no_rows() -> None:
    facts = zero_size(setting_of(GarbageForNoRows, X, torch.ones(3)))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert wrong.input_name == "weight"
    assert wrong.condition == "only where the inputs have no rows"


def test_a_loud_backward_is_no_fault() -> None:
    facts = zero_size(setting_of(RaisesForNoRows, X))
    assert facts.outcome.outcome is Outcome.NOT_APPLICABLE
    assert "AssertionError" in facts.outcome.detail
    assert not facts.notes


def test_wrong_for_one_number() -> None:
    facts = zero_dimensional(setting_of(WrongForOneNumber, X))
    (wrong,) = facts.wrong_gradients
    assert wrong.condition == "only where the inputs have no dimensions"
    assert wrong.element == ()


def test_right_ones() -> None:
    assert zero_size(setting_of(healthy.Swish, X)).outcome.outcome is Outcome.PASSED
    assert zero_dimensional(setting_of(healthy.Swish, X)).outcome.outcome is Outcome.PASSED
    linear = setting_of(healthy.LinearWithBias, X, torch.ones(2, 3), torch.ones(2))
    assert zero_size(linear).outcome.outcome is Outcome.PASSED
    assert zero_dimensional(linear).outcome.outcome is Outcome.NOT_APPLICABLE


def test_refused_and_undefined() -> None:
    pool = setting_of(healthy.MaxPool, X.reshape(2, 6))
    assert zero_dimensional(pool).outcome.outcome is Outcome.NOT_APPLICABLE
    mean = setting_of(healthy.MeanSquare, X, X + 1)
    assert zero_size(mean).outcome.detail == "forward returns NaN or Inf there"
