"""`--against`: a derivative written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from checker.points import point_of
from gradscope.checker.point import Deadline
from gradscope.checker.ways.against import against
from gradscope.facts.checks import Facts, Outcome, Pattern, ReturnFault

VECTOR = torch.tensor([0.5, -1.0, 2.0])


def polynomial(x: Tensor) -> Tensor:
    return 3 * x**2 + 5 * x


def weighted(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 * y).sum()


def pair(x: Tensor) -> Tensor:
    return torch.stack([x[0] ** 2 + x[1], x[0] * x[1]])


def compared(function: Callable[..., Any], args: tuple[Any, ...], derivative: Callable[..., Any]) -> Facts:
    return against(point_of(function, *args), derivative, Deadline(10), name="df")


@pytest.mark.parametrize(
    ("function", "args", "derivative"),
    [
        (polynomial, (torch.tensor(3.0),), lambda x: 6 * x + 5),
        (polynomial, (VECTOR,), lambda x: 6 * x + 5),
        (polynomial, (torch.tensor([3.0]),), lambda x: float(6 * x + 5)),
        (polynomial, (VECTOR,), lambda x: torch.diag(6 * x + 5)),
        (lambda x: 4 * x, (VECTOR,), lambda x: 4),
        (weighted, (VECTOR, VECTOR + 1), lambda x, y: (2 * x * y, x**2)),
        (weighted, (VECTOR, VECTOR + 1), lambda x, y: (2 * x * y, None)),
        (weighted, (VECTOR, VECTOR + 1), lambda x, y: {"y": x**2}),
        (pair, (VECTOR[:2],), lambda x: torch.stack([2 * x * torch.tensor([1, 0]), x.flip(0)]).T.T),
        (lambda x, n: x**n, (VECTOR, 3), lambda x, n: n * x ** (n - 1)),
        (torch.log, (VECTOR.abs(),), lambda x: 1 / x),
        (lambda x: x.expand(3), (torch.tensor(2.0),), lambda x: torch.ones(3)),
        (lambda x: x.float() ** 2, (VECTOR,), lambda x: 2 * x),
    ],
)
def test_a_right_derivative(function: Any, args: tuple[Any, ...], derivative: Any) -> None:
    if function is pair:
        derivative = lambda x: torch.stack(  # noqa: E731  the Jacobian [[2 x0, 1], [x1, x0]]
            [torch.stack([2 * x[0], x[0] * 0 + 1]), torch.stack([x[1], x[0]])]
        )
    facts = compared(function, args, derivative)
    assert facts.outcome.outcome is Outcome.PASSED, facts
    assert facts.agreement is not None
    assert facts.agreement < 1e-6
    assert not facts.wrong_gradients
    assert not facts.wrong_returns


def test_the_lessons_derivative_breaks_when_the_function_changes() -> None:
    def df(x: Tensor) -> Tensor:
        return 6 * x

    assert compared(lambda x: 3 * x**2, (torch.tensor(3.0),), df).outcome.outcome is Outcome.PASSED
    (wrong,) = compared(polynomial, (torch.tensor(3.0),), df).wrong_gradients
    assert (wrong.way, wrong.against, wrong.input_name) == ("against", "df", "x")
    assert (wrong.analytical, wrong.numerical) == (18.0, 23.0)
    assert (wrong.pattern, wrong.pattern_text) == (Pattern.OFFSET, "every element is off by -5")
    assert wrong.location is not None
    assert (wrong.location.path, wrong.location.line) == (__file__, df.__code__.co_firstlineno)


@pytest.mark.parametrize(
    ("derivative", "pattern", "text"),
    [
        (lambda x: -(6 * x + 5), Pattern.SIGN, "every element has the wrong sign"),
        (lambda x: 3 * x + 2.5, Pattern.FACTOR, "every element is 0.5 times what it should be"),
        (lambda x: 6 * x + 7, Pattern.OFFSET, "every element is off by 2"),
        (lambda x: 0 * x, Pattern.ZERO, "every element is 0"),
        (lambda x: 6 * x**2 + 5, Pattern.NONE, ""),
        (lambda x: x * torch.nan, Pattern.NONE, ""),
    ],
)
def test_in_what_way_it_is_wrong(derivative: Any, pattern: Pattern, text: str) -> None:
    (wrong,) = compared(polynomial, (VECTOR,), derivative).wrong_gradients
    assert (wrong.pattern, wrong.pattern_text) == (pattern, text)


def test_the_worst_element_is_told() -> None:
    def df(x: Tensor) -> Tensor:
        right = 6 * x + 5
        right[1, 0] += 1
        return right

    (wrong,) = compared(polynomial, (torch.randn(2, 3),), df).wrong_gradients
    assert (wrong.element, wrong.wrong, wrong.looked_at) == ((1, 0), 1, 6)


def test_a_value_that_is_right_at_the_sample_alone() -> None:
    (wrong,) = compared(polynomial, (torch.tensor(3.0),), lambda x: 23.0).wrong_gradients
    assert "around" in wrong.condition


@pytest.mark.parametrize(
    ("args", "derivative", "fault", "told"),
    [
        ((VECTOR, VECTOR), lambda x, y: 2 * x * y, ReturnFault.COUNT, "returns 1, expected 2 (x, y)"),
        ((VECTOR, VECTOR), lambda x, y: (x, y, y), ReturnFault.COUNT, "returns 3, expected 2 (x, y)"),
        ((VECTOR, VECTOR), lambda x, y: {"z": x}, ReturnFault.COUNT, "one for z"),
        ((VECTOR, VECTOR), lambda x, y: (2 * x * y, x[:2]), ReturnFault.SHAPE, "shape (2,) for y"),
        ((VECTOR, VECTOR), lambda x, y: (2 * x * y, "x"), ReturnFault.TYPE, "a str for y"),
        ((VECTOR, VECTOR), lambda x: 2 * x, ReturnFault.RAISES, "raises TypeError"),
    ],
)
def test_what_cannot_be_a_derivative(
    args: tuple[Any, ...], derivative: Any, fault: ReturnFault, told: str
) -> None:
    facts = compared(weighted, args, derivative)
    assert facts.outcome.outcome is Outcome.FAILED
    (wrong,) = facts.wrong_returns
    assert (wrong.fault, wrong.against) == (fault, "df")
    assert told in facts.outcome.detail
    assert wrong.location is not None


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_at_a_kink_every_value_between_the_slopes_is_right(at_zero: float) -> None:
    facts = compared(torch.relu, (torch.zeros(2),), lambda x: (x > 0) + at_zero * (x == 0))
    assert facts.outcome.outcome is Outcome.PASSED, facts
    assert bool(facts.notes) == (at_zero != 0.0)


def test_at_a_kink_another_value_is_wrong() -> None:
    facts = compared(torch.relu, (torch.zeros(2),), lambda x: (x > 0) + 1.5 * (x == 0))
    assert facts.wrong_gradients[0].analytical == 1.5


def test_nothing_is_said_where_nothing_could_be_compared() -> None:
    facts = compared(lambda x: x * torch.nan, (VECTOR,), lambda x: x)
    assert facts.outcome.outcome is Outcome.NOT_CHECKED


def test_the_derivative_leaves_no_trace() -> None:
    state = torch.get_rng_state()
    point = point_of(polynomial, VECTOR)

    def df(x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        torch.rand(3)
        x += 1
        return 6 * (x - 1) + 5

    assert against(point, df, Deadline(10)).outcome.outcome is Outcome.PASSED
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(point.leaves[0], VECTOR.double())
