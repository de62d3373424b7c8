"""The form in which a baseline keeps what was measured of a target's gradients."""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import msgspec

Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]

_DIGITS: Final = 6


class Measured(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where figures were measured; "" stands for what is not known, or does not matter there.

    `device` is "cpu" where nothing else was used, whatever the machine has.
    """

    torch: str = ""
    platform: str = ""
    device: str = ""
    processor: str = ""
    threads: str = ""
    dtypes: tuple[str, ...] = ()


class LossFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first and the last loss of the `backwards` passes of one line."""

    first: Number
    last: Number
    backwards: int


class ParameterFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """2-norms of a parameter's gradient in the first and the last of the `backwards` passes that gave it one.

    0 passes where it got none.
    """

    norm: Number = 0.0
    last_norm: Number = 0.0
    backwards: int = 0

    @property
    def is_zero(self) -> bool:
        """Whether it got no gradient, or one of zeros."""
        return self.norm == 0 and self.last_norm == 0


class GradientStatistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under "gradients" in a baseline's section of one target.

    `losses` are by the loss's name and the function that differentiates it, `parameters` by their names.
    """

    measured: Measured = Measured()
    losses: dict[str, LossFigures] = {}
    parameters: dict[str, ParameterFigures] = {}


def written(value: float) -> Number:
    """A figure with six digits: fewer than what differs from machine to machine, more than is compared."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(f"{value:.{_DIGITS}g}")
