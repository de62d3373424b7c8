"""Forward mode against reverse mode."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.forward_mode import forward_mode
from gradscope.facts.checks import Outcome
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of

A = torch.linspace(-1, 2, 12).reshape(3, 4)
B = torch.linspace(0.5, 3, 12).reshape(3, 4)


class ForgetsATangent(healthy.ProductWithRules):
    @staticmethod
    def jvp(ctx, tangent_a, tangent_b):
        _, b = ctx.saved_tensors
        return tangent_a * b


class RaisesInForwardMode(healthy.ProductWithRules):
    @staticmethod
    def jvp(ctx, tangent_a, tangent_b):
        raise KeyError("tangent")


class NotWritten(healthy.ProductWithRules):
    @staticmethod
    def jvp(ctx, tangent_a, tangent_b):
        raise NotImplementedError("not yet")


class OneSided(Function):
    """At the kink either one-sided derivative is right."""

    @staticmethod
    def forward(x):
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x > 0)

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return tangent * (x >= 0)


def test_a_missing_factor() -> None:
    facts = forward_mode(setting_of(faulty.WrongForwardMode, A))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert (wrong.way, wrong.element) == ("jvp", wrong.output_element)
    assert wrong.numerical == pytest.approx(2 * float(A[wrong.element]), rel=1e-5)
    assert wrong.analytical == pytest.approx(float(A[wrong.element]), rel=1e-5)


def test_the_input_is_named() -> None:
    (wrong,) = forward_mode(setting_of(ForgetsATangent, A, B)).wrong_gradients
    assert wrong.input_name == "b"
    assert wrong.analytical == 0.0


def test_a_jvp_that_raises() -> None:
    facts = forward_mode(setting_of(RaisesInForwardMode, A, B))
    (fault,) = facts.wrong_returns
    assert "KeyError" in fault.error
    assert fault.location is not None
    assert fault.location.function == "RaisesInForwardMode.jvp"
    unwritten = forward_mode(setting_of(NotWritten, A, B))
    assert unwritten.outcome.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize("function", [healthy.ProductWithRules, healthy.Hypotenuse, torch.mul])
def test_right_or_undefined(function) -> None:
    facts = forward_mode(setting_of(_named(function), A, B))
    defined = function is not healthy.Hypotenuse
    assert facts.outcome.outcome is (Outcome.PASSED if defined else Outcome.NOT_APPLICABLE)


def _named(function):
    if isinstance(function, type):
        return function

    def plain(a, b):
        return function(a, b).tanh()

    return plain


def test_a_kink_is_no_fault() -> None:
    facts = forward_mode(setting_of(OneSided, torch.tensor([-1.0, 0.0, 2.0])))
    assert facts.outcome.outcome is Outcome.PASSED


def test_an_approximation_is_not_judged() -> None:
    class Rounded(Function):
        @staticmethod
        def forward(x):
            return x.round()

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

        @staticmethod
        def jvp(ctx, tangent):
            return torch.zeros_like(tangent)

    facts = forward_mode(setting_of(Rounded, A, right=False, deliberate=True))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED


def test_a_fault_of_ours_is_not_told_of_the_jvp(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise TypeError("ours")

    monkeypatch.setattr(sys.modules[forward_mode.__module__], "_disagrees", broken)
    with pytest.raises(TypeError, match="ours"):
        forward_mode(setting_of(healthy.ProductWithRules, A, B))


def test_a_forward_that_refuses_what_lies_next_to_the_sample() -> None:
    """The numerical derivative cannot be had then: nothing is said against jvp."""
    assert forward_mode(setting_of(OnlyHere, A)).wrong_gradients == ()


class OnlyHere(Function):
    """Takes no other values than those of the sample; its jvp is wrong."""

    @staticmethod
    def forward(x):
        if not torch.equal(x.detach().double(), A.double()):
            raise ValueError("not here")
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 2

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 3


class SlightlyWrong(healthy.ProductWithRules):
    @staticmethod
    def jvp(ctx, tangent_a, tangent_b):
        a, b = ctx.saved_tensors
        return 1.0001 * tangent_a * b + tangent_b * a


def test_a_ten_thousandth_too_much() -> None:
    (wrong,) = forward_mode(setting_of(SlightlyWrong, A, B)).wrong_gradients
    assert wrong.input_name == "a"
    assert wrong.analytical == pytest.approx(1.0001 * wrong.numerical, rel=1e-6)
