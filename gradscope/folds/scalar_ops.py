"""The local derivatives of scalar ops, as a micrograd-style engine names them in `_op`.

An op is believed only where its function, of the operands, gives the value that the node has: a label that
means something else in some engine is then simply not known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

Slopes: TypeAlias = tuple[float | None, ...]

_TOLERANCE: Final = 1e-5  # numbers may be float32
_Unary: TypeAlias = tuple[Callable[[float], float], Callable[[float, float], float]]
_Binary: TypeAlias = tuple[
    Callable[[float, float], float], Callable[[float, float, float], tuple[float, float]]
]


def _sigmoid(x: float) -> float:
    return 0.5 + 0.5 * math.tanh(0.5 * x)  # 1 / (1 + exp(-x)), which overflows


# The function of x, and its derivative by x and the result y. At a kink there is no derivative: NaN.
_UNARY: Final[Mapping[str, _Unary]] = {
    "neg": (lambda x: -x, lambda x, y: -1.0),
    "exp": (math.exp, lambda x, y: y),
    "log": (math.log, lambda x, y: 1 / x),
    "sqrt": (math.sqrt, lambda x, y: 0.5 / y),
    "sin": (math.sin, lambda x, y: math.cos(x)),
    "cos": (math.cos, lambda x, y: -math.sin(x)),
    "tan": (math.tan, lambda x, y: 1 + y * y),
    "tanh": (math.tanh, lambda x, y: 1 - y * y),
    "sigmoid": (_sigmoid, lambda x, y: y * (1 - y)),
    "relu": (lambda x: max(x, 0.0), lambda x, y: math.nan if x == 0 else float(x > 0)),
    "abs": (abs, lambda x, y: math.copysign(1.0, x) if x else math.nan),
    "square": (lambda x: x * x, lambda x, y: 2 * x),
    "reciprocal": (lambda x: 1 / x, lambda x, y: -y * y),
}
_BINARY: Final[Mapping[str, _Binary]] = {
    "+": (lambda a, b: a + b, lambda a, b, y: (1.0, 1.0)),
    "-": (lambda a, b: a - b, lambda a, b, y: (1.0, -1.0)),
    "*": (lambda a, b: a * b, lambda a, b, y: (b, a)),
    "/": (lambda a, b: a / b, lambda a, b, y: (1 / b, -y / b)),
    "**": (lambda a, b: a**b, lambda a, b, y: (b * a ** (b - 1), y * math.log(a) if a > 0 else math.nan)),
    "max": (max, lambda a, b, y: (math.nan, math.nan) if a == b else (float(a > b), float(b > a))),
    "min": (min, lambda a, b, y: (math.nan, math.nan) if a == b else (float(a < b), float(b < a))),
}
_OTHER_NAMES: Final = {
    "add": "+",
    "plus": "+",
    "sub": "-",
    "subtract": "-",
    "minus": "-",
    "mul": "*",
    "times": "*",
    "multiply": "*",
    "x": "*",
    "truediv": "/",
    "div": "/",
    "divide": "/",
    "pow": "**",
    "power": "**",
    "^": "**",
    "negative": "neg",
    "ln": "log",
    "inv": "reciprocal",
    "sigm": "sigmoid",
    "logistic": "sigmoid",
    "σ": "sigmoid",
    "maximum": "max",
    "minimum": "min",
    "sq": "square",
}
_NUMBER: Final = r"\(?(-?\d+(?:\.\d*)?(?:e-?\d+)?)\)?"
_POWER: Final = re.compile(rf"(?:x?\*\*|x?\^|pow)\s*{_NUMBER}")  # "**2", "pow(-1)": of a fixed exponent
_EXPONENTIAL: Final = re.compile(rf"{_NUMBER}\s*(?:\*\*|\^)x?")  # "2**": of a fixed base


def slopes(op: str, operands: Sequence[float], result: float, *, ordered: bool = True) -> Slopes | None:
    """The derivatives of `result` by each operand, None where one is not defined.

    None where the op is not known, or does not give `result`. Operands that are not `ordered` may stand the
    other way round: then the order that gives `result` is the one, unless both do and it matters.
    """
    ways = [_slopes(op, operands, result)]
    if len(operands) == 2 and not ordered:
        turned = _slopes(op, operands[::-1], result)
        ways.append(turned[::-1] if turned is not None else None)
    told = {way for way in ways if way is not None}
    return told.pop() if len(told) == 1 else None


def is_binary(op: str) -> bool:
    """Whether this is an op of two operands."""
    return _canonical(op) in _BINARY


def _canonical(op: str) -> str:
    name = op.strip().strip("_").lower()
    return _OTHER_NAMES.get(name, name)


def _slopes(op: str, operands: Sequence[float], result: float) -> Slopes | None:
    try:
        derivatives = _derivatives(op, operands, result)
    except (ArithmeticError, ValueError, TypeError):
        return None  # outside the domain of the function
    if derivatives is None:
        return None
    return tuple(slope if math.isfinite(slope) else None for slope in derivatives)


def _derivatives(op: str, operands: Sequence[float], result: float) -> tuple[float, ...] | None:
    name = _canonical(op)
    if len(operands) == 1:
        (x,) = operands
        if name == "-":
            name = "neg"
        if (power := _POWER.fullmatch(name)) is not None:
            exponent = float(power[1])
            slope = exponent * x ** (exponent - 1) if exponent else 0.0
            return (slope,) if _agree(x**exponent, result) else None
        if (power := _EXPONENTIAL.fullmatch(name)) is not None:
            base = float(power[1])
            return (result * math.log(base),) if _agree(base**x, result) else None
        function, derivative = _UNARY.get(name, (None, None))
        if function is not None and derivative is not None and _agree(function(x), result):
            return (derivative(x, result),)
        return None
    if len(operands) == 2 and name in _BINARY:
        a, b = operands
        combine, partial = _BINARY[name]
        if _agree(combine(a, b), result):
            return partial(a, b, result)
    return None


def _agree(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=1e-9)
