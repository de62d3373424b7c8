"""Local derivatives by the names of ops: right where known, silent where not."""

from __future__ import annotations

import math

import pytest

from gradscope.folds.scalar_ops import is_binary, slopes

UNARY = {
    "neg": lambda x: -x,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "ReLU": lambda x: max(0.0, x),
    "abs": abs,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "**3": lambda x: x**3,
    "**-0.5": lambda x: x**-0.5,
    "pow(2)": lambda x: x**2,
    "x^2": lambda x: x**2,
    "2**": lambda x: 2**x,
}
BINARY = {
    "+": lambda a, b: a + b,
    "__sub__": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "max": max,
    "min": min,
}
STEP = 1e-6


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("x", [0.3, 1.7])
def test_of_one_operand(op: str, x: float) -> None:
    function = UNARY[op]
    numerical = (function(x + STEP) - function(x - STEP)) / (2 * STEP)
    assert slopes(op, [x], function(x)) == pytest.approx([numerical], rel=1e-6)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize(("a", "b"), [(0.3, 1.7), (2.5, 0.4)])
def test_of_two_operands(op: str, a: float, b: float) -> None:
    function = BINARY[op]
    by_a = (function(a + STEP, b) - function(a - STEP, b)) / (2 * STEP)
    by_b = (function(a, b + STEP) - function(a, b - STEP)) / (2 * STEP)
    assert slopes(op, [a, b], function(a, b)) == pytest.approx([by_a, by_b], rel=1e-6, abs=1e-9)


def test_an_op_that_does_not_give_its_value_is_not_known() -> None:
    assert slopes("tanh", [0.5], math.tanh(0.6)) is None
    assert slopes("+", [1.0, 2.0], 2.0) is None
    assert slopes("gelu", [1.0], 0.84) is None
    assert slopes("+", [1.0, 2.0, 3.0], 6.0) is None
    assert slopes("", [], 1.0) is None


def test_operands_in_any_order() -> None:
    assert slopes("-", [2.0, 5.0], 3.0) is None
    assert slopes("-", [2.0, 5.0], 3.0, ordered=False) == (-1.0, 1.0)
    assert slopes("/", [4.0, 1.0], 0.25, ordered=False) == (-0.0625, 0.25)
    assert slopes("*", [4.0, 1.0], 4.0, ordered=False) == (1.0, 4.0)
    assert slopes("-", [2.0, 2.0], 0.0, ordered=False) is None


def test_no_derivative_at_a_kink_or_outside_the_domain() -> None:
    assert slopes("relu", [0.0], 0.0) == (None,)
    assert slopes("abs", [0.0], 0.0) == (None,)
    assert slopes("max", [1.0, 1.0], 1.0) == (None, None)
    assert slopes("sqrt", [0.0], 0.0) is None
    assert slopes("log", [-1.0], 0.0) is None
    assert slopes("/", [1.0, 0.0], math.inf) is None
    assert slopes("**0.5", [-1.0], 1.0) is None
    assert slopes("exp", [1e6], math.inf) is None
    assert slopes("**", [-2.0, 2.0], 4.0) == (-4.0, None)
    assert slopes("**0", [2.0], 1.0) == (0.0,)


def test_binary_ops() -> None:
    assert is_binary("__add__")
    assert is_binary("-")
    assert not is_binary("tanh")
    assert not is_binary("**2")
