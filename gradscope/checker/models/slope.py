"""A model's objective along a direction: the analytical derivative, the numerical one, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import torch
from torch import Tensor

Direction = Mapping[str, Tensor]

_STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
AGREE = 1e-7
"""Difference, relative to the analytical derivative's typical size, under which the two are the same."""
_ROUNDING = 64 * torch.finfo(torch.float64).eps
_UNSETTLED = 0.02


class Verdict(StrEnum):
    """How an analytical derivative compares with the numerical one."""

    AGREES = "agrees"
    DIFFERS = "differs"
    KINK = "kink"  # one-sided derivatives differ: there is no derivative to compare with
    UNSETTLED = "unsettled"  # no step size gives one (a jump, a lower precision inside)


@dataclass(frozen=True, slots=True)
class Slope:
    """Derivatives along one direction. `size` is what the analytical one typically is along a random one
    (a standard deviation), so that one that is 0 by chance is not mistaken for one that is 0.
    """

    verdict: Verdict
    analytical: float
    numerical: float
    uncertainty: float
    size: float

    @property
    def error(self) -> float:
        """The relative difference."""
        return abs(self.analytical - self.numerical) / self.size if self.size else 0.0


def slope(
    value: Callable[[float], float], analytical: float, size: float, magnitude: float, least: float = 0.0
) -> Slope:
    """Compares a derivative with that of `value`, a function of the distance along the direction.

    The step goes down until both agree: where kinks lie close by, only small steps miss them. Where they
    never do, steps that agree with each other speak for a gradient that is wrong. `magnitude` is the size
    of the terms that `value` adds up, which its rounding comes from; a difference below `least` is none.
    """
    found: list[tuple[float, float]] = []
    for step in _STEPS:
        wide = (value(step) - value(-step)) / (2 * step)
        narrow = (value(step / 2) - value(-step / 2)) / step
        number = (4 * narrow - wide) / 3
        noise = _ROUNDING * magnitude / step
        if not math.isfinite(number):
            continue
        scale = max(size, abs(number), abs(analytical))
        spread = abs(narrow - wide)
        off = abs(number - analytical)
        if off <= max(AGREE * scale, least) + noise and spread <= 0.1 * scale + noise + least:
            return Slope(Verdict.AGREES, analytical, number, min(spread, off) + noise, scale)
        found.append((number, noise))
        if len(found) > 1 and 10 * (abs(found[-2][0] - number) + noise) < _UNSETTLED * off:
            break  # two steps agree with each other, and not with the gradient
    if len(found) < 2:
        return Slope(Verdict.UNSETTLED, analytical, math.nan, math.inf, size)
    return _judged(value, analytical, size, least, found)


def _judged(
    value: Callable[[float], float],
    analytical: float,
    size: float,
    least: float,
    found: Sequence[tuple[float, float]],
) -> Slope:
    """What two neighbouring steps that agree best with each other say."""
    pairs = [(abs(a - b), b, noise) for (a, _), (b, noise) in pairwise(found)]
    spread, number, noise = min(pairs, key=lambda pair: pair[0] + pair[2])
    uncertainty = 10 * (spread + noise)
    scale = max(size, abs(number), abs(analytical))
    off = abs(number - analytical)
    if off <= max(uncertainty, least):
        verdict = Verdict.AGREES if uncertainty <= _UNSETTLED * scale else Verdict.UNSETTLED
    elif uncertainty > _UNSETTLED * max(scale, off):
        verdict = Verdict.UNSETTLED
    elif _is_kink(value, off):
        verdict = Verdict.KINK
    else:
        verdict = Verdict.DIFFERS
    return Slope(verdict, analytical, number, uncertainty, scale)


def _is_kink(value: Callable[[float], float], off: float) -> bool:
    """Whether the one-sided derivatives stay apart as the step shrinks, by as much as could explain `off`."""
    here = value(0.0)
    gaps = []
    for step in (1e-5, 1e-6):
        right, left = (value(step) - here) / step, (here - value(-step)) / step
        gaps.append(abs(right - left))
    return gaps[1] > 0.3 * gaps[0] and gaps[1] > 0.5 * off


def along(gradients: Mapping[str, Tensor | None], direction: Direction) -> float:
    """The analytical derivative along a direction, added up in float64."""
    return math.fsum(
        float((gradient.conj() * direction[name]).real.sum())
        for name, gradient in _known(gradients, direction)
    )


def typical(
    gradients: Mapping[str, Tensor | None], sizes: Mapping[str, float], names: Iterable[str]
) -> float:
    """The standard deviation of the analytical derivative over Gaussian directions of those sizes."""
    chosen = dict.fromkeys(names)
    return math.sqrt(
        math.fsum(
            (sizes[name] * float(torch.linalg.vector_norm(gradient))) ** 2
            for name, gradient in _known(gradients, chosen)
        )
    )


def _known(gradients: Mapping[str, Tensor | None], names: Iterable[str]) -> Iterable[tuple[str, Tensor]]:
    for name in names:
        gradient = gradients[name]
        if gradient is not None:
            yield name, gradient
