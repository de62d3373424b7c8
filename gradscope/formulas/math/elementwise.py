"""Functions of one number, element by element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain, plain

ELEMENTWISE: Final[Mapping[str, PlainMath]] = {
    "NegBackward0": plain(self="-grad"),
    "AbsBackward0": plain(self="grad * sign(self)"),
    "ReciprocalBackward0": plain(self="-grad * result**2"),
    "SqrtBackward0": plain(self="grad / (2 * result)"),
    "RsqrtBackward0": plain(self="-grad * result**3 / 2"),
    # powers with a number
    "PowBackward0": plain(self="grad * exponent * self**(exponent - 1)"),
    "PowBackward2": plain(exponent="grad * result * log(self)"),
    # exponentials and logarithms
    "ExpBackward0": plain(self="grad * result"),
    "Exp2Backward0": plain(self="grad * result * log(2)"),
    "Expm1Backward0": plain(self="grad * (result + 1)"),
    "LogBackward0": plain(self="grad / self"),
    "Log2Backward0": plain(self="grad / (self * log(2))"),
    "Log10Backward0": plain(self="grad / (self * log(10))"),
    "Log1PBackward0": plain(self="grad / (self + 1)"),
    "LogitBackward0": Plain(only="eps is None")(self="grad / (self * (1 - self))"),
    # circular and hyperbolic functions
    "SinBackward0": plain(self="grad * cos(self)"),
    "CosBackward0": plain(self="-grad * sin(self)"),
    "TanBackward0": plain(self="grad * (1 + result**2)"),
    "AsinBackward0": plain(self="grad / sqrt(1 - self**2)"),
    "AcosBackward0": plain(self="-grad / sqrt(1 - self**2)"),
    "AtanBackward0": plain(self="grad / (1 + self**2)"),
    "SinhBackward0": plain(self="grad * cosh(self)"),
    "CoshBackward0": plain(self="grad * sinh(self)"),
    "TanhBackward0": plain(self="grad * (1 - result**2)"),
    "AsinhBackward0": plain(self="grad / sqrt(self**2 + 1)"),
    "AcoshBackward0": plain(self="grad / sqrt(self**2 - 1)"),
    "AtanhBackward0": plain(self="grad / (1 - self**2)"),
    "Deg2RadBackward0": plain(self="grad * pi / 180"),
    "Rad2DegBackward0": plain(self="grad * 180 / pi"),
    # special functions
    "ErfBackward0": plain(self="grad * 2 / sqrt(pi) * exp(-self**2)"),
    "ErfcBackward0": plain(self="-grad * 2 / sqrt(pi) * exp(-self**2)"),
    "ErfinvBackward0": plain(self="grad * sqrt(pi) / 2 * exp(result**2)"),
    "LgammaBackward0": plain(self="grad * digamma(self)"),
    "DigammaBackward0": plain(self="grad * polygamma(1, self)"),
    # steps, whose derivative is 0 wherever they have one
    "SignBackward0": plain(self="zeros_like(self)"),
    "FloorBackward0": plain(self="zeros_like(self)"),
    "CeilBackward0": plain(self="zeros_like(self)"),
    "RoundBackward0": plain(self="zeros_like(self)"),
    "TruncBackward0": plain(self="zeros_like(self)"),
    "FracBackward0": plain(self="grad"),
    # limits
    "ClampBackward1": Plain(only="min and max are given")(self="grad * ((min <= self) & (self <= max))"),
    "ClampMinBackward0": plain(self="grad * (self >= min)"),
    "ClampMaxBackward0": plain(self="grad * (self <= max)"),
    "NanToNumBackward0": plain(self="grad * isfinite(self)"),
    # arithmetic with a number
    "AddBackward1": plain(self="grad"),
    "SubBackward1": plain(self="grad"),
    "RsubBackward1": plain(self="-grad * alpha"),
    "MulBackward1": plain(self="grad * other"),
    "DivBackward1": plain(self="grad / other"),
    "FmodBackward0": plain(self="grad"),
    "RemainderBackward0": plain(self="grad"),
}
