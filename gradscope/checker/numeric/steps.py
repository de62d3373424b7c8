"""One direction, examined at several step sizes: is the difference there at all of them?

A wrong formula differs by the same amount at every step. Truncation shrinks with the step, rounding grows
as it shrinks, a kink or a jump within the step comes and goes: none of those is flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from gradscope.checker.numeric.directional import Directional, Estimate, Input, best

_CLEAR = (2.0**-10, 2.0**-13, 2.0**-16, 2.0**-19, 2.0**-22)
_SWEEP = tuple(2.0**-exponent for exponent in range(4, 34, 2))
_SLACK = 0.02
_GROWS = 8.0
_FLAT = 3
"""So many step sizes must show the same difference."""


class Verdict(StrEnum):
    """How backward and forward compare along one direction."""

    AGREES = "agrees"
    WRONG = "wrong"
    UNSTEADY = "unsteady"  # they differ, by another amount at each step size
    NOT_FINITE = "not finite"  # forward gives NaN or Inf next to the point


@dataclass(frozen=True, slots=True)
class Examined:
    """A verdict, and the surest estimate behind it (None where none was finite)."""

    verdict: Verdict
    estimate: Estimate | None
    estimates: tuple[Estimate, ...] = ()


def examine(directional: Directional, at: Input, direction: Tensor, wanted: float) -> Examined:
    """Tries one step size, and others only where that one does not show that backward is right.

    `wanted` is the tolerance below which nothing worth finding could hide.
    """
    estimates = []
    for number, step in enumerate(directional.steps):
        # The first is made even where no time is left: at most four evaluations too many.
        limit = directional.forward.limit if number else None
        with directional.forward.limited(limit):
            estimate = directional.estimate(at, direction, step)
        estimates.append(estimate)
        if not estimate.disagrees and directional.resolves(estimate, wanted):
            return Examined(Verdict.AGREES, estimate, tuple(estimates))
        if estimate.finite and estimate.disagrees:
            break
    directional.look_closer()
    touched = directional.touched(at, direction)
    judged = judge([directional.estimate(at, direction, step, touched) for step in _CLEAR])
    if judged.verdict in (Verdict.UNSTEADY, Verdict.NOT_FINITE):
        judged = judge([directional.estimate(at, direction, step, touched) for step in _SWEEP])
    return judged


def judge(estimates: Sequence[Estimate]) -> Examined:
    """The verdict that several step sizes give together."""
    finite = sorted({one.step: one for one in estimates if one.finite}.values(), key=lambda one: -one.step)
    surest = best(finite)
    if surest is None or len(finite) < 2:
        return Examined(Verdict.NOT_FINITE, surest, tuple(finite))
    if not surest.disagrees:
        return Examined(Verdict.AGREES, surest, tuple(finite))
    row = int((surest.difference.abs() / surest.tolerance.clamp(min=1e-300)).argmax())
    smaller = [one for one in finite if one.step < surest.step and _tells(one, surest, row)]
    contradicting = [one for one in smaller if not _same(one, surest, row)]
    if contradicting:  # what a larger step sees is gone: a kink between the two
        return _below(finite, contradicting[0])
    same = [one for one in finite if _tells(one, surest, row) and _same(one, surest, row)]
    flat = len(same) >= _FLAT and not _diverges(same[0], same[-1], row)
    return Examined(Verdict.WRONG if flat else Verdict.UNSTEADY, surest, tuple(finite))


def _diverges(largest: Estimate, smallest: Estimate, row: int) -> bool:
    """Whether the numerical derivative settles less and less as the step shrinks, and not by rounding.

    Forward turns many times within the smallest step then: next to what backward gives, all differences of
    such a forward are nothing, and look as if they agreed.
    """
    beyond = smallest.apart[row] > smallest.noise[row]
    return bool(beyond & (smallest.apart[row] > _GROWS * largest.apart[row]))


def _below(finite: Sequence[Estimate], first: Estimate) -> Examined:
    """The verdict of the steps from one on downwards."""
    return judge([one for one in finite if one.step <= first.step])


def _tells(one: Estimate, surest: Estimate, row: int) -> bool:
    """Whether a step size could show a difference as large as the surest one's."""
    return bool(one.tolerance[row] < 0.5 * surest.difference[row].abs())


def _same(one: Estimate, surest: Estimate, row: int) -> bool:
    apart = (one.difference[row] - surest.difference[row]).abs()
    # A backward that is far too large differs by the same from any noise: the numerical derivative counts.
    slack = _SLACK * torch.minimum(surest.difference[row].abs(), surest.numerical[row].abs())
    return bool(apart <= one.tolerance[row] + surest.tolerance[row] + slack)
