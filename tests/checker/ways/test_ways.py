"""The ways of differentiating: passes, errors, and which of them apply."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from checker.points import point_of
from gradscope.checker.point import Deadline
from gradscope.checker.ways.table import ways
from gradscope.facts.ways import Way, Ways


class Cube(torch.autograd.Function):
    """Its backward is 1% too large; its jvp is right."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 1.01 * 3 * x**2 * grad

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * tangent


class Array(torch.autograd.Function):
    """Squares in NumPy; its backward lacks the factor 2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x * grad


def measured(function: Any, *args: Any) -> tuple[Ways, dict[str, Way]]:
    table = ways(point_of(function, *args), Deadline(30))
    assert table is not None
    return table, {way.name.partition(",")[0].rstrip(")"): way for way in table.ways}


def polynomial(x: Tensor) -> Tensor:
    return 3 * x**2 + 5 * x


def test_the_lessons_polynomial_in_every_way() -> None:
    table, by_name = measured(polynomial, torch.tensor(1.0))
    assert (table.inputs, table.outputs) == (1, 1)
    assert by_name["symbolic"].text == "d/dx (3*x**2 + 5*x) = 6*x + 5"
    assert list(by_name) == [
        "symbolic",
        "numerical (one-sided",
        "numerical (central",
        "forward mode",
        "reverse mode",
    ]
    assert [way.passes for way in table.ways] == [None, 2, 2, 1, 2]
    for name in ("symbolic", "forward mode", "reverse mode"):
        assert by_name[name].error == pytest.approx(0.0, abs=1e-14)
        assert by_name[name].exact
    assert all(way.seconds is not None and way.seconds > 0 for way in table.ways)


def test_a_gradient_takes_n_passes_forward_and_two_in_reverse() -> None:
    table, by_name = measured(lambda x: (x**3).sum(), torch.randn(50))
    assert (table.inputs, table.outputs) == (50, 1)
    assert by_name["numerical (one-sided"].passes == 51
    assert by_name["numerical (central"].passes == 100
    assert by_name["forward mode"].passes == 50
    assert (by_name["reverse mode"].passes, by_name["reverse mode"].text) == (2, "1 forward + 1 backward")


def test_a_wide_output_is_cheaper_in_forward_mode() -> None:
    table, by_name = measured(lambda x: x.repeat(100) ** 2, torch.randn(3))
    assert (table.inputs, table.outputs) == (3, 300)
    assert by_name["forward mode"].passes == 3
    assert by_name["reverse mode"].passes == 301


def test_the_error_of_a_difference_falls_and_rises_again_as_its_step_shrinks() -> None:
    table, _ = measured(lambda x: torch.sin(torch.exp(x**2)), torch.tensor(0.5))
    steps = [step for step, _ in table.steps]
    errors = [error for _, error in table.steps]
    assert steps == pytest.approx([10.0**-power for power in range(1, 13)])
    best = errors.index(min(errors))
    assert steps[best] in (1e-5, 1e-6)
    assert errors[0] > 1e-2
    assert errors[-1] > 1e-6
    assert errors[1] / errors[2] == pytest.approx(100, rel=0.1)  # a step ten times smaller: second order


def test_a_wrong_backward_stands_out() -> None:
    _, by_name = measured(lambda x: Cube.apply(x), torch.tensor([0.5, 2.0]))
    assert by_name["forward mode"].error == pytest.approx(0.0, abs=1e-14)
    assert by_name["reverse mode"].error == pytest.approx(0.01)
    assert by_name["numerical (central"].error < 1e-9


def test_where_only_the_numerical_derivative_is_plausible_it_has_no_error() -> None:
    table, by_name = measured(lambda x: Array.apply(x), torch.tensor([0.5, 2.0]))
    assert by_name["symbolic"].text == "does not apply: the value leaves torch in numpy()"
    assert by_name["forward mode"].text == "not defined: the Function has no jvp"
    assert by_name["numerical (central"].error is None
    assert by_name["reverse mode"].error == pytest.approx(0.5, rel=1e-6)
    assert table.steps == ()


def test_a_difference_that_leaves_the_domain_is_left_out() -> None:
    table, _ = measured(torch.log, torch.tensor(0.05))
    assert 1e-1 not in [step for step, _ in table.steps]
    assert all(math.isfinite(error) for _, error in table.steps)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (polynomial, (torch.randn(65),)),
        (lambda x: x.repeat(2000), (torch.tensor(1.0),)),
        (polynomial, (torch.randn(2, dtype=torch.complex64),)),
        (lambda x: x * torch.inf, (torch.tensor(1.0),)),
    ],
)
def test_what_is_too_large_or_has_no_such_table(function: Any, args: tuple[Any, ...]) -> None:
    assert ways(point_of(function, *args), Deadline(5)) is None


def test_without_time_there_is_no_table() -> None:
    assert ways(point_of(polynomial, torch.tensor(1.0)), Deadline(0)) is None


def test_generators_are_as_before() -> None:
    state = torch.get_rng_state()
    measured(lambda x: x * torch.rand(()), torch.tensor(1.0))
    assert torch.equal(torch.get_rng_state(), state)
