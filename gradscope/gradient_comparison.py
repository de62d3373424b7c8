"""How two figures of gradients are compared, and how far they may differ.

The same program with the same seed gives the same gradients on one machine, so that a difference means a
change of the program. Elsewhere they are rounded otherwise, and every training step lets that grow. On the
CPU, for MLPs, conv nets, transformers and LSTMs under SGD and Adam, norms differed

- not at all from run to run, nor from torch 2.11 to 2.13;
- in float32 with 1 to 4 threads, with other vector instructions (AVX2, AVX-512, none) and without oneDNN by
  up to 8e-7 in the first backward, 1e-6 in the 5th, 2e-3 in the 20th, 2e-2 in the 50th; in bfloat16 by up to
  5e-3 in the first and 3e-2 in the 20th, and gradients that are zero but for rounding by 7e-4 of the largest;
- with another seed, as on a device with a generator of its own, by up to a factor of 2.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from gradscope.facts import GradientDrift
from gradscope.finding import Location
from gradscope.gradient_statistics import Number, ParameterFigures

TOLERANCE: Final = 1e-3
"""How far norms and losses of a first backward may differ on the machine of the baseline, relative to the
smaller one. On the CPU nothing differs there; an accelerator may add in another order each time."""

LEAST_GROWTH: Final = 5
"""The last of n backwards has n times the tolerance, and at least this many times."""

WIDEST: Final = 3.0
"""A factor of four. A figure of the last backward whose tolerance would be wider is not compared."""


@dataclass(frozen=True, slots=True)
class Widening:
    """How many times as wide the tolerance is. `floor` is a share of the model's largest norm: what lies
    below it may be rounding noise around zero, and a difference below it is none.
    """

    factor: float
    floor: float


SAME: Final = Widening(1.0, 1e-6)
OTHER_ARITHMETIC: Final = Widening(20.0, 1e-3)
"""With another torch version, processor or number of threads."""
OTHER_NUMBERS: Final = Widening(3000.0, 1e-2)
"""On another device or platform: its random numbers may be others, and losses are not compared."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose figure is compared, and its line."""

    name: str
    location: Location | None


class Comparison:
    """Compares figure by figure. `tolerance` is that of first backwards.

    A floor is an absolute difference that is none, as `Widening.floor` has it.
    """

    def __init__(self, base: float, widening: Widening) -> None:
        self.tolerance = max(base, min(base * widening.factor, WIDEST))
        self.compared = 0
        self.drifts: list[GradientDrift] = []

    def first(self, where: Place, figure: str, before: Number, now: Number, floor: float) -> bool:
        """Whether a figure of the first backward drifted."""
        return self._compare(where, figure, float(before), float(now), self.tolerance, floor)

    def last(
        self,
        where: Place,
        figure: str,
        before: Number,
        now: Number,
        floor: float,
        counts: tuple[int, int],
    ) -> None:
        """A figure of the last of several backwards. One of another number of backwards is another figure: it
        is only asked whether it is finite.
        """
        growth = max(LEAST_GROWTH, counts[1])
        tolerance = self.tolerance * growth
        is_same = counts[0] == counts[1] and tolerance <= WIDEST
        if counts[1] > 1 and (is_same or not math.isfinite(float(now))):
            self._compare(where, figure, float(before), float(now), tolerance, floor * growth)

    def lost_or_gained(
        self, where: Place, old: ParameterFigures, new: ParameterFigures, floor: float
    ) -> None:
        """A parameter that got no gradient, or only zeros, in one of the runs."""
        self.compared += 1
        if old.is_zero and new.is_zero:
            return
        got = new if old.is_zero else old
        is_noise = max(size(got.norm), size(got.last_norm)) <= floor and new.backwards
        if is_noise and math.isfinite(float(got.norm) + float(got.last_norm)):
            return  # rounding around zero, that is nothing in the other run
        before, now = (None if one.is_zero else float(one.norm or one.last_norm) for one in (old, new))
        self.drifts.append(GradientDrift(where.name, "norm", before, now, self.tolerance, where.location))

    def _compare(
        self, where: Place, figure: str, before: float, now: float, tolerance: float, floor: float
    ) -> bool:
        self.compared += 1
        if _agree(before, now, tolerance, floor):
            return False
        self.drifts.append(GradientDrift(where.name, figure, before, now, tolerance, where.location))
        return True


def _agree(before: float, now: float, tolerance: float, floor: float) -> bool:
    """Whether two figures differ by no more than the tolerance. Two that are not finite do not differ."""
    if not (math.isfinite(before) and math.isfinite(now)):
        return math.isfinite(before) == math.isfinite(now)
    return abs(now - before) <= tolerance * min(abs(before), abs(now)) + floor


def size(number: Number) -> float:
    """The magnitude of a finite figure, 0 for another."""
    value = abs(float(number))
    return value if math.isfinite(value) else 0.0
