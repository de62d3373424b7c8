"""Differences that are no mistakes, and mistakes that look like those."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.facts.checks import Cause, Pattern
from tests.checker.numeric.functions import compared, function, numbers, only_wrong


def with_zeros(*shape: int) -> Tensor:
    x = numbers(*shape)
    x[::2] = 0.0
    return x


def relu(at_zero: float) -> Any:
    def backward(inputs: Any, grad: Tensor) -> Any:
        x = inputs[0]
        return grad * torch.where(x > 0, 1.0, torch.where(x == 0, at_zero, 0.0))

    return function(torch.relu, backward)


@pytest.mark.parametrize("at_zero", [0.0, 0.3, 1.0])
def test_at_a_kink_anything_between_the_sides_is_right(at_zero: float) -> None:
    found = compared(relu(at_zero), with_zeros(40, 40))
    assert not found.wrong
    assert any("kink" in note for note in found.notes)


def test_a_gradient_outside_the_sides_is_wrong() -> None:
    wrong = only_wrong(relu(2.0), with_zeros(6, 6))
    assert wrong.cause is Cause.KINK
    assert wrong.element[0] % 2 == 0


def test_a_mistake_beside_kinks_is_found() -> None:
    def backward(inputs: Any, grad: Tensor) -> Any:
        return grad * (inputs[0] > 0) * torch.where(inputs[0] > 1.5, 1.01, 1.0)

    wrong = only_wrong(function(torch.relu, backward), with_zeros(20, 20))
    assert wrong.cause is Cause.FORMULA


def test_kinks_close_to_the_point() -> None:
    x = numbers(64, 64) * torch.logspace(-12, 0, 64, dtype=torch.float64)
    assert not compared(torch.relu, x).wrong
    assert not compared(torch.abs, x).wrong


@pytest.mark.parametrize("call", [torch.floor, torch.round, torch.sign, torch.sqrt, lambda x: x.abs().sqrt()])
def test_where_there_is_no_derivative_nothing_is_judged(call: Any) -> None:
    x = with_zeros(6, 6).abs()
    assert not compared(call, x).wrong


def test_a_jump_is_noted() -> None:
    call = function(lambda x: x * (x >= 0), lambda inputs, grad: grad * (inputs[0] >= 0))
    assert not compared(call, with_zeros(4, 4)).wrong
    call = function(lambda x: x + 1.0 * (x >= 0), lambda inputs, grad: grad)
    found = compared(call, with_zeros(4, 4))
    assert not found.wrong
    assert any("jumps" in note for note in found.notes)


@pytest.mark.parametrize("forward", [torch.round, torch.sign, torch.floor, lambda x: (x > 0) * 1.0])
def test_straight_through_is_deliberate(forward: Any) -> None:
    found = compared(function(forward, lambda inputs, grad: grad), numbers(30, 30))
    assert found.deliberate
    assert found.wrong[0].cause is Cause.SURROGATE
    assert any("gradscope: approximate" in note for note in found.notes)


@pytest.mark.parametrize("factor", [-1.0, 0.1])
def test_another_backward_of_the_identity_is_deliberate(factor: float) -> None:
    found = compared(function(lambda x: x.view_as(x), lambda inputs, grad: factor * grad), numbers(5, 5))
    assert found.deliberate


def test_clipping_the_gradient_of_the_identity_is_deliberate() -> None:
    found = compared(function(lambda x: x.clone(), lambda inputs, grad: grad.clamp(-0.1, 0.1)), numbers(5, 5))
    assert found.deliberate


def test_fake_quantisation_with_a_learned_scale_is_deliberate() -> None:
    def forward(x: Tensor, scale: Tensor) -> Tensor:
        return torch.clamp(torch.round(x / scale), -8, 7) * scale

    def backward(inputs: Any, grad: Tensor) -> Any:
        x, scale = inputs
        q = x / scale
        inside = (q >= -8) & (q <= 7)
        dscale = torch.where(inside, torch.round(q) - q, q.clamp(-8, 7).round())
        return grad * inside, (grad * dscale).sum().reshape(scale.shape)

    found = compared(function(forward, backward), numbers(20, 20), torch.tensor(0.1, dtype=torch.float64))
    assert found.deliberate
    assert {one.cause for one in found.wrong} == {Cause.SURROGATE}


def test_a_gradient_next_to_a_surrogate_is_said_to_be_unjudged() -> None:
    call = function(lambda x, s: torch.round(x / s) * s, lambda inputs, grad: (grad, (17 * grad).sum()))
    found = compared(call, numbers(8, 8), torch.tensor(0.3, dtype=torch.float64))
    assert any("args[1] differs too" in note and "was not judged" in note for note in found.notes)


def test_a_dead_relu_that_lets_gradients_through_is_no_surrogate() -> None:
    wrong = only_wrong(function(torch.relu, lambda inputs, grad: grad), -numbers(5, 5).abs() - 1)
    assert wrong.cause is Cause.FORMULA


def test_an_input_that_forward_ignores_is_no_surrogate() -> None:
    wrong = only_wrong(function(lambda x, y: x * 2 + 0 * y, lambda i, g: (2 * g, g)), numbers(4), numbers(4))
    assert (wrong.input_name, wrong.cause) == ("args[1]", Cause.FORMULA)


def test_float32_inside_is_no_mistake() -> None:
    for call in (
        lambda x: torch.softmax(x.float(), -1).double(),
        lambda x: torch.tanh(x.float()),
        lambda x: (x.float() @ x.float().T).double(),
    ):
        assert not compared(call, numbers(20, 20)).wrong


def test_a_backward_in_float32_is_no_mistake_and_is_noted() -> None:
    def backward(inputs: Any, grad: Tensor) -> Any:
        return (grad.float() * torch.cos(inputs[0].float())).double()

    found = compared(function(torch.sin, backward), numbers(10, 10))
    assert not found.wrong
    assert any("float32 is used inside" in note for note in found.notes)


def test_rounding_is_noted_once_for_an_input() -> None:
    call = function(lambda x: 2 * x, lambda inputs, grad: (2 * grad).half().double())
    found = compared(call, numbers(6, 6))
    assert not found.wrong
    assert sum("the gradient differs by" in note for note in found.notes) == 1


def test_a_mistake_in_float32_is_found() -> None:
    call = function(
        lambda x: torch.sin(x.float()).double(), lambda i, g: 1.01 * g * torch.cos(i[0].float()).double()
    )
    wrong = only_wrong(call, numbers(10, 10))
    assert wrong.cause is Cause.FORMULA
    assert wrong.pattern in (Pattern.FACTOR, Pattern.NONE)


def test_badly_conditioned_functions_agree() -> None:
    x = numbers(20, 20)
    for call in (
        lambda t: (t + 1e6).var(unbiased=False),
        lambda t: ((t + 1e8) - 1e8) ** 2,
        lambda t: torch.sin(1e5 * t),
        lambda t: torch.linalg.inv(torch.vander(t[0, :6])),
    ):
        assert not compared(call, x).wrong
