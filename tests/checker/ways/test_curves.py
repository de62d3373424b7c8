"""`--sweep`: forward, backward and the numerical derivative, point by point."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from checker.points import point_of
from gradscope.checker.ways.curves import sweep
from gradscope.errors import InputError


class Through(torch.autograd.Function):
    """Rounds; its backward passes the gradient on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def test_relu_has_a_kink() -> None:
    curve = sweep(point_of(relu, torch.tensor(1.0)), "x", -1.0, 1.0, 5)
    assert curve.at == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert curve.forward == (0.0, 0.0, 0.0, 0.5, 1.0)
    assert curve.backward == (0.0, 0.0, 0.0, 1.0, 1.0)
    assert curve.numerical == pytest.approx((0.0, 0.0, 0.5, 1.0, 1.0))


def test_a_straight_through_estimator_differs_everywhere_and_jumps_have_no_derivative() -> None:
    curve = sweep(point_of(lambda x: Through.apply(x), torch.tensor(1.0)), "x", -1.0, 1.0, 5)
    assert curve.backward == (1.0,) * 5
    assert [math.isnan(slope) for slope in curve.numerical] == [False, True, False, True, False]
    assert curve.numerical[::2] == (0.0, 0.0, 0.0)


def test_all_elements_move_together_and_outputs_are_added_up() -> None:
    curve = sweep(point_of(lambda x, y: x * y, torch.ones(3), torch.full((3,), 2.0)), "x", 0.0, 4.0, 2)
    assert curve.forward == (0.0, 24.0)
    assert curve.backward == (6.0, 6.0)
    assert curve.numerical == pytest.approx((6.0, 6.0))


def test_a_wrong_backward_is_seen_where_it_is_wrong() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 3 * x * grad

    curve = sweep(point_of(lambda x: Cube.apply(x), torch.tensor(1.0)), "x", -1.0, 1.0, 3)
    assert curve.backward == (-3.0, 0.0, 3.0)
    assert curve.numerical == pytest.approx((3.0, 0.0, 3.0), abs=1e-9)


def test_outside_of_the_domain_there_is_nothing() -> None:
    def root(x: Tensor) -> Tensor:
        if (x < 0).any():
            raise ValueError("negative")
        return x.sqrt()

    curve = sweep(point_of(root, torch.tensor(1.0)), "x", -1.0, 1.0, 3)
    assert math.isnan(curve.forward[0])
    assert math.isnan(curve.backward[0])
    assert math.isnan(curve.numerical[0])
    assert curve.backward[2] == pytest.approx(0.5)


def test_at_a_pole_the_numerical_derivative_is_left_out() -> None:
    curve = sweep(point_of(lambda x: 1 / x, torch.tensor(1.0)), "x", -1.0, 1.0, 3)
    assert math.isinf(curve.forward[1])
    assert math.isnan(curve.numerical[1])


@pytest.mark.parametrize("name", ["y", "xx", "n", "args[0]"])
def test_an_input_that_cannot_be_swept(name: str) -> None:
    with pytest.raises(InputError) as raised:
        sweep(point_of(lambda x, n: x**n, torch.tensor(1.0), 2), name, 0.0, 1.0, 3)
    assert raised.value.try_next == ("--sweep x=-3:3",)


def test_a_function_that_raises_everywhere() -> None:
    def refuse(x: Tensor) -> Tensor:
        raise ValueError("never")

    with pytest.raises(InputError, match="raises at every x") as raised:
        sweep(point_of(refuse, torch.tensor(1.0)), "x", 0.0, 1.0, 3)
    assert raised.value.where == ("ValueError: never",)
