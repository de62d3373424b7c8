"""`gradscope.check` in Python: what it takes, what it says, and that it leaves everything as it was."""

from __future__ import annotations

import io
import json

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

import gradscope
from gradscope.errors import InputError, TargetError, UsageError
from gradscope.facts import CheckedModel


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


class TooMany(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, grad_output


class Raises(Function):
    @staticmethod
    def forward(ctx, x):
        raise ValueError("never")

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


def cube(x: Tensor, scale: float = 1.0) -> Tensor:
    return scale * x**3


@pytest.mark.parametrize("function", [Square, Square.apply, cube])
def test_a_right_gradient_is_true(function) -> None:
    checked = gradscope.check(function, torch.randn(3))
    assert checked
    assert checked.ok
    assert checked.findings == ()
    assert repr(checked) == f"<gradscope.check {checked.function.name}: ok>"


def test_a_wrong_backward_is_false_and_says_what_is_wrong() -> None:
    checked = gradscope.check(TooMany, torch.randn(3))
    assert not checked
    assert [found.code for found in checked.findings] == ["GS602"]
    assert repr(checked).startswith(
        "<gradscope.check TooMany: error[GS602] wrong-backward-arity at test_api_check.py:"
    )
    with pytest.raises(AssertionError):
        assert gradscope.check(TooMany, torch.randn(3))


def test_a_failing_assertion_shows_both_values() -> None:
    """In what pytest prints of it: the place, the element, and the two numbers."""

    class Doubled(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad_output):
            return 3 * grad_output

    said = repr(gradscope.check(Doubled, torch.ones(1)))
    assert "GS601" in said
    assert "test_api_check.py:" in said
    assert "element [0] (3 here, 2 is right)" in said


def test_what_cannot_be_checked_is_false() -> None:
    checked = gradscope.check(Raises, torch.randn(3))
    assert not checked.ok
    assert repr(checked) == "<gradscope.check Raises: not checked: forward raises ValueError: never>"


def test_rules_can_be_ignored() -> None:
    assert gradscope.check(TooMany, torch.randn(3), ignore=["wrong-backward-arity"])
    assert gradscope.check(TooMany, torch.randn(3), select=["GS605"])
    with pytest.raises(UsageError, match="GS999"):
        gradscope.check(TooMany, torch.randn(3), select=["GS999"])


def test_inputs_by_name_and_none() -> None:
    assert gradscope.check(cube, x=torch.randn(2), scale=2.0)
    assert gradscope.check(Square).function.samples[0].origin == "inferred"


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"do not fit cube\(x, scale=1\.0\)"):
        gradscope.check(cube, torch.randn(2), other=1)


@pytest.mark.parametrize("value", [3, "text", int])
def test_what_has_no_gradient_is_refused(value) -> None:
    with pytest.raises(TargetError, match="what is checked is"):
        gradscope.check(value)


def test_a_module_is_checked_as_a_whole() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    checked = gradscope.check(net, torch.randn(5, 3))
    assert isinstance(checked.function, CheckedModel)
    assert checked.ok


def test_it_can_be_shown_and_written() -> None:
    checked = gradscope.check(Square, torch.randn(3))
    out = io.StringIO()
    checked.show(out)
    assert "Square" in str(checked)
    assert out.getvalue().rstrip("\n") == str(checked)
    report = json.loads(checked.json())
    assert report["command"] == "check"
    assert report["check"]["functions"][0]["name"] == "Square"


def test_nothing_of_the_callers_is_changed() -> None:
    x = torch.randn(3, requires_grad=True)
    copy, version = x.detach().clone(), x._version
    states = [torch.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled()]
    with torch.no_grad():
        gradscope.check(Square, x)
        assert not torch.is_grad_enabled()
    assert torch.equal(x, copy)
    assert x.grad is None
    assert x._version == version
    assert torch.equal(torch.get_rng_state(), states[0])
    assert [torch.get_default_dtype(), torch.is_grad_enabled()] == states[1:]
