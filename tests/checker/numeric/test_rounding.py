"""What forward's rounding leaves uncertain: in tails that cancel, where it turns too fast, in 16 bits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.checker.cases.double_backward import double_backward
from gradscope.facts.checks import Cause, Outcome, Pattern
from tests.checker.cases.settings import setting_of
from tests.checker.numeric.functions import compared, function, numbers, only_wrong

SQRT_2, SQRT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / SQRT_2))


def gelu_backward(inputs: Any, grad: Tensor) -> Tensor:
    x = inputs[0]
    return grad * (0.5 * (1 + torch.erf(x / SQRT_2)) + x * torch.exp(-x * x / 2) / SQRT_2_PI)


@pytest.mark.parametrize("end", [5.5, 6.5, 7.5, 8.0, 8.3, 9.0, 12.0])
@pytest.mark.parametrize("forward", [gelu, torch.nn.functional.gelu])
def test_a_tail_that_cancels_is_not_wrong(end: float, forward: Any) -> None:
    x = torch.linspace(-end, end, 14, dtype=torch.float64)
    assert not compared(function(forward, gelu_backward), x).wrong


@pytest.mark.parametrize("place", [-6.5, -7.5, -8.0, -8.3, -12.0])
def test_a_tail_by_itself(place: float) -> None:
    assert not compared(function(gelu, gelu_backward), torch.tensor([place], dtype=torch.float64)).wrong


def test_a_mistake_in_a_tail_that_float64_resolves_is_found() -> None:
    call = function(gelu, lambda inputs, grad: 1.01 * gelu_backward(inputs, grad))
    wrong = only_wrong(call, torch.tensor([-5.0], dtype=torch.float64))
    assert wrong.analytical is not None
    assert wrong.analytical / wrong.numerical == pytest.approx(1.01, rel=1e-4)


@pytest.mark.parametrize("end", [0.95, 3.0, 4.0, 4.5, 4.7, 5.0, 5.5, 6.0, 9.5, 15.0, 20.0])
def test_a_function_that_turns_too_fast_is_not_wrong(end: float) -> None:
    x = torch.linspace(-end, end, 12, dtype=torch.float64)
    found = compared(lambda t: torch.sin(torch.exp(t**2)), x)
    assert not found.wrong
    assert not [note for note in found.notes if "differs by" in note]


def test_outputs_that_cannot_be_followed_do_not_hide_the_others() -> None:
    def backward(inputs: Any, grad: Tensor) -> Tensor:
        inner = torch.exp(inputs[0] ** 2)
        return grad * torch.cos(inner) * inner * 2.02 * inputs[0]

    call = function(lambda t: torch.sin(torch.exp(t**2)), backward)
    x = torch.linspace(-9.5, 9.5, 12, dtype=torch.float64)
    wrong = only_wrong(call, x)
    assert abs(float(x[wrong.element])) < 3
    (note,) = [note for note in compared(call, x).notes if "cannot be followed" in note]
    assert "elements that forward returns" in note


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_arithmetic_is_no_piecewise_constant_surrogate(dtype: torch.dtype) -> None:
    weight = numbers(8, 8)
    for forward, backward in (
        (lambda x: (x.to(dtype) * 2).double(), lambda inputs, grad: 2 * grad),
        (lambda x: torch.tanh(x.to(dtype)), lambda i, g: g * (1 - torch.tanh(i[0].to(dtype)) ** 2)),
        (lambda x: x.to(dtype) @ weight.to(dtype), lambda i, g: (g.to(dtype) @ weight.to(dtype).T).double()),
        (lambda x: (x.to(dtype) ** 2).sum(-1), lambda i, g: 2 * g[:, None].to(dtype) * i[0].to(dtype)),
    ):
        found = compared(function(forward, backward), numbers(8, 8, seed=1))
        assert not found.wrong
        assert not found.deliberate
        assert f"{str(dtype)[6:]} is used inside: judged with float64 in its place" in found.notes


def test_a_mistake_in_16_bit_arithmetic_is_found() -> None:
    call = function(lambda x: torch.tanh(x.half()), lambda i, g: 1.5 * g * (1 - torch.tanh(i[0]) ** 2))
    wrong = only_wrong(call, numbers(6, 6))
    assert wrong.cause is Cause.FORMULA


def test_straight_through_in_16_bits_is_deliberate() -> None:
    call = function(lambda x: torch.round(x.bfloat16() / 0.1) * 0.1, lambda inputs, grad: grad)
    assert compared(call, numbers(10, 10)).deliberate


def tanh_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


def tanh_gelu_backward(constant: float) -> Any:
    def backward(inputs: Any, grad: Tensor) -> Tensor:
        x = inputs[0]
        t = torch.tanh(constant * (x + 0.044715 * x**3))
        return grad * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * constant * (1 + 3 * 0.044715 * x**2))

    return backward


def test_a_constant_with_too_few_digits() -> None:
    wrong = only_wrong(function(tanh_gelu, tanh_gelu_backward(0.7978)), numbers(12, 12))
    assert "a constant with too few digits" in wrong.pattern_text
    assert not compared(function(tanh_gelu, tanh_gelu_backward(0.7978845608)), numbers(12, 12)).wrong


def test_a_factor_of_a_ten_thousandth_is_an_error_and_one_of_a_millionth_a_note() -> None:
    def scaled(factor: float) -> Any:
        return function(torch.sin, lambda inputs, grad: factor * grad * torch.cos(inputs[0]))

    wrong = only_wrong(scaled(1.0001), numbers(6, 6))
    assert (wrong.cause, wrong.pattern) == (Cause.FORMULA, Pattern.FACTOR)
    found = compared(scaled(1.000003), numbers(6, 6))
    assert not found.wrong
    (note,) = [note for note in found.notes if "differs by" in note]
    assert "3e-06 of its size" in note
    assert "a constant with too few digits" in note


def test_second_derivatives_of_what_saturates_agree() -> None:
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return torch.tanh(x)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad * (1 - torch.tanh(ctx.saved_tensors[0]) ** 2)

    setting = setting_of(Tanh, torch.linspace(-25, 25, 12, dtype=torch.float64))
    assert double_backward(setting).outcome.outcome is Outcome.PASSED
