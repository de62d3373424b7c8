"""torch's scalar ops as sympy formulas: what `symbolic` knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy  # type: ignore[import-untyped]  # sympy has no types

Formula: TypeAlias = Callable[..., Any]


class _Steps(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """A piecewise constant function: its derivative is 0 wherever it has one."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative, also at the jumps, as torch has it."""
        return sympy.Integer(0)

    @classmethod
    def eval(cls, value: Any) -> Any:
        """Numbers are computed at once."""
        return cls.of(value) if value.is_number else None

    @staticmethod
    def of(value: Any) -> Any:
        """The function of a number."""
        raise NotImplementedError


class floor(_Steps):  # noqa: N801  sympy prints the class's name
    """The largest whole number that is not larger."""

    @staticmethod
    def of(value: Any) -> Any:
        """The function of a number."""
        return sympy.floor(value)


class ceil(_Steps):  # noqa: N801  sympy prints the class's name
    """The smallest whole number that is not smaller."""

    @staticmethod
    def of(value: Any) -> Any:
        """The function of a number."""
        return sympy.ceiling(value)


class round(_Steps):  # noqa: N801  sympy prints the class's name
    """The nearest whole number; of two, the even one."""

    @staticmethod
    def of(value: Any) -> Any:
        """The function of a number."""
        below = sympy.floor(value)
        over = value - below - sympy.Rational(1, 2)
        # is_zero, because sympy's 0.5 does not equal its 1/2
        up = bool(over > 0) or (over.is_zero and below % 2 == 1)
        return below + 1 if up else below


class sign(_Steps):  # noqa: N801  sympy prints the class's name
    """-1, 0 or 1."""

    @staticmethod
    def of(value: Any) -> Any:
        """The function of a number."""
        return sympy.sign(value)


def number(value: float | int | bool) -> Any:
    """A Python number as sympy's: whole numbers and short fractions exactly, others as they are."""
    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if isinstance(value, int):
        return sympy.Integer(value)
    fraction = Fraction(value)  # exact: the denominator is a power of two
    if fraction.denominator <= 64:
        return sympy.Rational(fraction.numerator, fraction.denominator)
    return sympy.Float(value, 17)


def numeric(form: Any) -> Any:
    """A condition as 1 or 0, as torch casts it; other formulas as they are."""
    is_condition = isinstance(form, sympy.logic.boolalg.Boolean) and not isinstance(form, sympy.Symbol)
    return _choose(form, sympy.Integer(1), sympy.Integer(0)) if is_condition else form


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    if condition in (True, sympy.true):
        return yes
    return no if condition in (False, sympy.false) else sympy.Piecewise((yes, condition), (no, True))


def _larger(a: Any, b: Any) -> Any:
    return _choose(sympy.Gt(a, b), a, b)


def _smaller(a: Any, b: Any) -> Any:
    return _choose(sympy.Lt(a, b), a, b)


def _clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    """Between `low` and `high`; at the bounds the derivative is 1, as torch has it."""
    pieces = []
    if low is not None:
        pieces.append((low, sympy.Lt(x, low)))
    if high is not None:
        pieces.append((high, sympy.Gt(x, high)))
    return sympy.Piecewise(*pieces, (x, True))


def _relu(x: Any) -> Any:
    return _choose(sympy.Gt(x, 0), x, sympy.Integer(0))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + sympy.exp(-x))


def _softplus(x: Any) -> Any:
    return sympy.log(1 + sympy.exp(x))


def _gelu(x: Any) -> Any:
    return x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2


def _leaky(x: Any, slope: Any = None) -> Any:
    return _choose(sympy.Gt(x, 0), x, (sympy.Rational(1, 100) if slope is None else slope) * x)


def _elu(x: Any, alpha: Any = None) -> Any:
    return _choose(sympy.Gt(x, 0), x, (1 if alpha is None else alpha) * (sympy.exp(x) - 1))


UNARY: Mapping[str, Formula] = {
    "neg": lambda x: -x,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "exp": sympy.exp,
    "expm1": lambda x: sympy.exp(x) - 1,
    "exp2": lambda x: 2**x,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "sqrt": sympy.sqrt,
    "rsqrt": lambda x: 1 / sympy.sqrt(x),
    "square": lambda x: x**2,
    "reciprocal": lambda x: 1 / x,
    "abs": sympy.Abs,
    "absolute": sympy.Abs,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "arcsin": sympy.asin,
    "acos": sympy.acos,
    "arccos": sympy.acos,
    "atan": sympy.atan,
    "arctan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atanh": sympy.atanh,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "lgamma": sympy.loggamma,
    "digamma": sympy.digamma,
    "sigmoid": _sigmoid,
    "expit": _sigmoid,
    "logsigmoid": lambda x: -_softplus(-x),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + sympy.Abs(x)),
    "relu": _relu,
    "relu6": lambda x: _clamp(x, sympy.Integer(0), sympy.Integer(6)),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "mish": lambda x: x * sympy.tanh(_softplus(x)),
    "leaky_relu": _leaky,
    "elu": _elu,
    "floor": floor,
    "ceil": ceil,
    "round": round,
    "sign": sign,
    "logical_not": sympy.Not,
    "invert": sympy.Not,
    "bitwise_not": sympy.Not,
}
"""Of one element. Those that take a further number (`leaky_relu`) take it as a formula too."""

BINARY: Mapping[str, Formula] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "subtract": lambda a, b: a - b,
    "rsub": lambda a, b: b - a,
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "divide": lambda a, b: a / b,
    "true_divide": lambda a, b: a / b,
    "rdiv": lambda a, b: b / a,
    "rtruediv": lambda a, b: b / a,
    "pow": lambda a, b: a**b,
    "rpow": lambda a, b: b**a,
    "maximum": _larger,
    "fmax": _larger,
    "minimum": _smaller,
    "fmin": _smaller,
    "atan2": sympy.atan2,
    "hypot": lambda a, b: sympy.sqrt(a**2 + b**2),
    "gt": sympy.Gt,
    "ge": sympy.Ge,
    "lt": sympy.Lt,
    "le": sympy.Le,
    "greater": sympy.Gt,
    "less": sympy.Lt,
    "eq": sympy.Eq,
    "ne": sympy.Ne,
    "logical_and": sympy.And,
    "logical_or": sympy.Or,
    "and": sympy.And,
    "bitwise_and": sympy.And,
    "bitwise_or": sympy.Or,
    "or": sympy.Or,
}
"""Of two elements at the same place."""

LOGIC = frozenset(
    {
        "logical_not",
        "invert",
        "bitwise_not",
        "bitwise_and",
        "bitwise_or",
        "logical_and",
        "logical_or",
        "and",
        "or",
    }
)
"""Those whose operands are conditions."""

CHOICES: Mapping[str, Formula] = {
    "where": _choose,
    "clamp": _clamp,
    "clip": _clamp,
    "lerp": lambda a, b, w: a + w * (b - a),
}
"""Of three."""

REDUCTIONS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "sum": lambda parts: sympy.Add(*parts),
    "mean": lambda parts: sympy.Add(*parts) / len(parts),
    "prod": lambda parts: sympy.Mul(*parts),
    "norm": lambda parts: sympy.sqrt(sympy.Add(*(part**2 for part in parts))),
    "vector_norm": lambda parts: sympy.sqrt(sympy.Add(*(part**2 for part in parts))),
}
"""Of all elements that become one."""
