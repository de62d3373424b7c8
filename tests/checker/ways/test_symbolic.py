"""Closed forms: what they say, and when there is none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from checker.points import point_of
from gradscope.checker.point import Deadline
from gradscope.checker.ways.symbolic import ClosedForm, closed_form

ONE = torch.tensor(1.5)


def text(function: Any, *args: Any) -> str:
    found = closed_form(point_of(function, *args), Deadline(30))
    return found.text if isinstance(found, ClosedForm) else found


class Clamp(torch.autograd.Function):
    """The ops of its forward are followed; its backward is not asked."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: 3 * x**2 + 5 * x, "d/dx (3*x**2 + 5*x) = 6*x + 5"),
        (lambda x: (3 * x + 2) ** 2, "d/dx ((3*x + 2)**2) = 18*x + 12"),
        (lambda x: torch.sin(torch.exp(x**2)), "d/dx (sin(exp(x**2))) = 2*x*exp(x**2)*cos(exp(x**2))"),
        (lambda x: x.sqrt(), "d/dx (sqrt(x)) = 1/(2*sqrt(x))"),
        (lambda x: x**0.5, "d/dx (sqrt(x)) = 1/(2*sqrt(x))"),
        (lambda x: 0.1 * x, "d/dx (0.1*x) = 0.1"),
        (lambda x: 1 / x - (2 - x), "d/dx (x - 2 + 1/x) = 1 - 1/x**2"),
        (lambda x: x.mul_(2).add_(1), "d/dx (2*x + 1) = 2"),
        (lambda x: x if x > 0 else -3 * x, "d/dx (x) = 1, on the branch taken"),
        (lambda x: x * torch.round(x), "d/dx (x*round(x)) = round(x)"),
        (lambda x: Clamp.apply(x), "d/dx ((0 where x < 0, else x)) = (0 where x < 0, else 1)"),
        (lambda x: torch.stack([x, x**2]).sum(), "d/dx (x**2 + x) = 2*x + 1"),
        (lambda x: torch.sub(x, torch.ones(()), alpha=3), "d/dx (x - 3) = 1"),
    ],
)
def test_the_form_of_a_scalar_function(function: Any, told: str) -> None:
    assert text(function, ONE) == told


def test_several_inputs_and_outputs() -> None:
    found = closed_form(
        point_of(lambda x: torch.stack([x[0] ** 2 + x[1], x[0] * x[1]]), torch.tensor([2.0, 3.0])),
        Deadline(30),
    )
    assert isinstance(found, ClosedForm)
    assert found.jacobian.tolist() == [[4.0, 1.0], [3.0, 2.0]]
    assert found.text == (
        "x[0]**2 + x[1]: d/dx[0] = 2*x[0], d/dx[1] = 1; x[0]*x[1]: d/dx[0] = x[1], d/dx[1] = x[0]"
    )


def test_an_elementwise_function_is_told_for_one_element() -> None:
    assert text(lambda x: x**2, torch.randn(3)) == "d/dx (x**2) = 2*x, for each element"
    assert text(lambda x, n: x**n, ONE, 5) == "d/dx (x**5) = 5*x**4"


@pytest.mark.parametrize(
    "function",
    [
        torch.tanh,
        torch.sigmoid,
        torch.log1p,
        torch.atan,
        torch.erf,
        torch.rsqrt,
        torch.lgamma,
        functional.gelu,
        functional.silu,
        functional.softplus,
        functional.leaky_relu,
        functional.elu,
        functional.mish,
        functional.softsign,
        torch.abs,
        lambda x: torch.where(x > 1, x**2, x),
        lambda x: torch.maximum(x, 2 * x - 1) + torch.minimum(x, x**2),
        lambda x: torch.clamp(x, -1, 2) + x.clamp(max=1),
        lambda x: torch.hypot(x, x + 1) + torch.atan2(x, x + 2),
        lambda x: functional.leaky_relu(-x, 0.3),
        lambda x: torch.lerp(x, x**2, 0.25),
        lambda x: (x > 1).to(x.dtype) * x + x * (x < 1),
        lambda x: x * ((x > 0) & ~(x > 1)) + torch.where((x > 1).logical_and(x < 9), x**2, 0.0),
        lambda x: torch.clamp(x, min=1.0) + torch.clamp(x, max=0.5) + torch.clip(x, 0.0, max=1.0),
        lambda x: torch.exp2(x) + torch.log2(x) + x.reciprocal() + x.square() + 2**x,
    ],
)
def test_the_derivative_of_every_formula_is_autograds(function: Any) -> None:
    point = point_of(function, torch.tensor([0.3, 1.7]))
    found = closed_form(point, Deadline(30))
    assert isinstance(found, ClosedForm), found
    x = torch.tensor([0.3, 1.7]).double().requires_grad_()
    expected = torch.autograd.functional.jacobian(function, x)
    torch.testing.assert_close(found.jacobian, expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=x.dtype) @ x,
        lambda x: (x - x.mean()).square().mean().sqrt(),
        lambda x: x.reshape(1, 2).t().expand(2, 3).sum(dim=1).prod(),
        lambda x: torch.cat([x, x[:1]]).flip(0) * 2,
        lambda x: x.norm(),
        lambda x: torch.stack(x.unbind()).sum(0, keepdim=True),
    ],
)
def test_elements_are_followed_as_they_move(function: Any) -> None:
    found = closed_form(point_of(function, torch.tensor([0.3, 1.7])), Deadline(30))
    assert isinstance(found, ClosedForm), found
    x = torch.tensor([0.3, 1.7]).double().requires_grad_()
    expected = torch.autograd.functional.jacobian(function, x).reshape(found.jacobian.shape)
    torch.testing.assert_close(found.jacobian, expected)


@pytest.mark.parametrize(
    ("function", "args", "why"),
    [
        (lambda x: x * math.sin(x), (ONE,), "the value leaves torch in float()"),
        (lambda x: x * x.item(), (ONE,), "the value leaves torch in item()"),
        (torch.erfinv, (ONE / 9,), "erfinv has no formula here"),
        (lambda x: x.sum(), (torch.randn(9),), "more than 8 inputs"),
        (lambda x: x.repeat(9), (ONE,), "more than 8 outputs"),
        (lambda x: x / 0, (ONE,), "its formula does not give its value: some step of it is not seen"),
    ],
)
def test_where_there_is_none_it_says_why(function: Any, args: tuple[Any, ...], why: str) -> None:
    assert text(function, *args) == why


def test_a_change_through_a_view_is_noticed_by_its_value() -> None:
    def shift(x: Tensor) -> Tensor:
        y = x * 1
        y[:1].add_(1)
        return y**2

    assert "not seen" in text(shift, torch.tensor([1.0, 2.0]))


class Marked(Tensor):
    """A subclass: its objects are not those that were named."""


def test_a_value_that_changes_its_type_is_followed_or_given_up() -> None:
    assert text(lambda x: x.as_subclass(Marked) ** 2, ONE) in (
        "d/dx (x**2) = 2*x",
        "its formula does not give its value: some step of it is not seen",
    )


def test_a_value_taken_from_memory_is_no_constant() -> None:
    memory = torch.zeros(1, dtype=torch.float64)

    def through(x: Tensor) -> Tensor:
        memory.numpy()[0] = x.detach().numpy()
        return memory * 2

    assert "leaves torch" in text(through, ONE)


def test_long_forms_are_not_shown() -> None:
    def sums(x: Tensor) -> Tensor:
        return sum(torch.sin(power * x) * torch.exp(-power * x) for power in range(1, 12))

    assert text(sums, ONE).endswith("operations, too long to show")


def test_a_form_that_doubles_in_every_step_is_given_up() -> None:
    def doubling(x: Tensor) -> Tensor:
        for power in range(2, 40):
            x = x + math.sin(1 / power) * torch.exp(-x)
        return x

    assert text(doubling, ONE) == "its closed form has more than 400 terms"
