"""Functions of two or three numbers, element by element; their inputs broadcast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain

_each = Plain(broadcasts=True)
_square = Plain(broadcasts=True, r2="self**2 + other**2")

PAIRS: Final[Mapping[str, PlainMath]] = {
    "AddBackward0": _each(self="grad", other="grad * alpha"),
    "SubBackward0": _each(self="grad", other="-grad * alpha"),
    "RsubBackward0": _each(self="-grad * alpha", other="grad"),
    "MulBackward0": _each(self="grad * other", other="grad * self"),
    "DivBackward0": _each(self="grad / other", other="-grad * self / other**2"),
    "DivBackward2": Plain(broadcasts=True, only="rounding_mode is given")(
        self="zeros_like(grad)", other="zeros_like(grad)"
    ),
    "FmodBackward1": _each(self="grad", other="-grad * trunc(self / other)"),
    "RemainderBackward1": _each(self="grad", other="-grad * floor(self / other)"),
    "PowBackward1": _each(
        self="grad * exponent * self**(exponent - 1)", exponent="grad * result * log(self)"
    ),
    "Atan2Backward0": _square(self="grad * other / r2", other="-grad * self / r2"),
    "HypotBackward0": _each(self="grad * self / result", other="grad * other / result"),
    "LogaddexpBackward0": _each(self="grad * sigmoid(self - other)", other="grad * sigmoid(other - self)"),
    "XlogyBackward0": _each(self="grad * log(other)", other="grad * self / other"),
    # the larger, the smaller, one or the other
    "MaximumBackward0": _each(
        self="grad * where(self == other, 0.5, self > other)",
        other="grad * where(self == other, 0.5, other > self)",
    ),
    "MinimumBackward0": _each(
        self="grad * where(self == other, 0.5, self < other)",
        other="grad * where(self == other, 0.5, other < self)",
    ),
    "ClampMinBackward1": _each(self="grad * (self >= min)", min="grad * (self < min)"),
    "ClampMaxBackward1": _each(self="grad * (self <= max)", max="grad * (self > max)"),
    "WhereBackward0": _each(self="where(condition, grad, 0)", other="where(condition, 0, grad)"),
    "MaskedFillBackward0": _each(self="where(mask, 0, grad)"),
    "MaskedFillBackward1": _each(self="where(mask, 0, grad)", value="where(mask, grad, 0)"),
    # of three
    "LerpBackward0": _each(self="grad * (1 - weight)", end="grad * weight"),
    "LerpBackward1": _each(self="grad * (1 - weight)", end="grad * weight", weight="grad * (end - self)"),
    "AddcmulBackward0": _each(
        self="grad", tensor1="grad * value * tensor2", tensor2="grad * value * tensor1"
    ),
    "AddcdivBackward0": _each(
        self="grad", tensor1="grad * value / tensor2", tensor2="-grad * value * tensor1 / tensor2**2"
    ),
}
