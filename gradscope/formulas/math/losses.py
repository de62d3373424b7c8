"""Losses, with `reduction="mean"`: with "sum" the division by the number of elements is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain

_MEAN = "reduction='mean'"
_UNWEIGHTED = "reduction='mean', no weight"
_of_difference = Plain(only=_MEAN, d="self - target", n="self.numel()")
_unweighted = Plain(only=_UNWEIGHTED, n="self.numel()")

LOSSES: Final[Mapping[str, PlainMath]] = {
    "MseLossBackward0": _of_difference(self="grad * 2 * d / n", target="-grad * 2 * d / n"),
    "HuberLossBackward0": _of_difference(
        self="grad * clamp(d, -delta, delta) / n", target="-grad * clamp(d, -delta, delta) / n"
    ),
    "SmoothL1LossBackward0": _of_difference(
        self="grad * clamp(d / beta, -1, 1) / n", target="-grad * clamp(d / beta, -1, 1) / n"
    ),
    "SoftMarginLossBackward0": Plain(only=_MEAN, n="self.numel()")(
        self="-grad * target * sigmoid(-target * self) / n"
    ),
    "BinaryCrossEntropyBackward0": _unweighted(
        self="grad * (self - target) / (self * (1 - self)) / n",
        target="-grad * log(self / (1 - self)) / n",
    ),
    "BinaryCrossEntropyWithLogitsBackward0": _unweighted(
        self="grad * (sigmoid(self) - target) / n", target="-grad * self / n"
    ),
    "NllLossBackward0": Plain(only="reduction='mean', no weight, no target ignored")(
        self="-grad * one_hot(target, self.size(1)) / len(target)"
    ),
}
