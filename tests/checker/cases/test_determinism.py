"""Two backwards of one forward."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.determinism import determinism
from gradscope.facts.checks import Outcome
from tests.checker.cases.settings import setting_of

X = torch.randn(8, 4)


class Dropout(Function):
    """Right: the mask is kept."""

    @staticmethod
    def forward(ctx, x):
        mask = torch.rand_like(x) < 0.5
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.saved_tensors[0]


class KeepsTheState(Dropout):
    """Right: the mask is drawn again from the same state."""

    @staticmethod
    def forward(ctx, x):
        ctx.state = torch.get_rng_state()
        return x * (torch.rand_like(x) < 0.5)

    @staticmethod
    def backward(ctx, grad_output):
        now = torch.get_rng_state()
        torch.set_rng_state(ctx.state)
        mask = torch.rand_like(grad_output) < 0.5
        torch.set_rng_state(now)
        return grad_output * mask


class DrawsAnew(Dropout):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * (torch.rand_like(grad_output) < 0.5)


class DrawsWithNumpy(Dropout):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * float(np.random.rand())


class DrawsWithRandom(Dropout):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * random.random()


class ChangesWhatItKeeps(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.scale = torch.ones(())
        return x * 1.0

    @staticmethod
    def backward(ctx, grad_output):
        ctx.scale.mul_(2)
        return grad_output * ctx.scale


class AddsInAnyOrder(Function):
    """Stands for atomic additions: the last bits differ."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        AddsInAnyOrder.calls += 1
        return grad_output * (1 + 2**-52 * (AddsInAnyOrder.calls % 2))


@pytest.mark.parametrize("function", [Dropout, KeepsTheState])
def test_what_forward_drew_is_no_new_draw(function):
    facts = determinism(setting_of(function, X))
    assert facts.outcome.outcome is Outcome.PASSED
    assert facts.outcome.detail == ""


@pytest.mark.parametrize("function", [DrawsAnew, DrawsWithNumpy, DrawsWithRandom])
def test_a_draw_in_backward_is_random_and_right_under_one_seed(function):
    (fact,) = determinism(setting_of(function, X)).nondeterminism
    assert fact.input_name == "x"
    assert fact.random
    assert fact.difference > 0.01
    assert 0 < fact.elements <= X.numel()


def draw(like):
    """A function of the program's, a call away."""
    return torch.rand_like(like) < 0.5


def test_the_line_that_draws_may_be_in_a_function_that_backward_calls():
    class Elsewhere(Dropout):
        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * draw(grad_output)

    (fact,) = determinism(setting_of(Elsewhere, X)).nondeterminism
    assert fact.drawn_at is not None
    assert fact.drawn_at.function == "draw"
    (fact,) = determinism(setting_of(DrawsWithRandom, X)).nondeterminism
    assert fact.drawn_at is None


def test_a_state_that_changes_is_not_random():
    (fact,) = determinism(setting_of(ChangesWhatItKeeps, X)).nondeterminism
    assert not fact.random
    assert fact.elements == X.numel()


def test_last_bits_are_noted_and_no_finding():
    facts = determinism(setting_of(AddsInAnyOrder, X))
    assert facts.nondeterminism == ()
    assert facts.outcome.outcome is Outcome.PASSED
    assert facts.outcome.detail == "gradients differ in their last bits"


def test_the_programs_generators_are_where_they_were():
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    determinism(setting_of(DrawsAnew, X))
    determinism(setting_of(DrawsWithNumpy, X))
    determinism(setting_of(DrawsWithRandom, X))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert states[2] == np.random.get_state()[1].tolist()


class Drifts(Function):
    """Each backward scales the gradient by a little more than the last one."""

    by = 0.0

    @staticmethod
    def forward(ctx, x):
        ctx.calls = torch.zeros(())
        return x * 1.0

    @classmethod
    def backward(cls, ctx, grad_output):
        ctx.calls.add_(1)
        return grad_output * (1 + cls.by * float(ctx.calls))


@pytest.mark.parametrize(("by", "outcome"), [(1e-9, Outcome.FAILED), (1e-14, Outcome.PASSED)])
def test_what_is_more_than_rounding(by: float, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drifts, "by", by)
    assert determinism(setting_of(Drifts, X)).outcome.outcome is outcome
