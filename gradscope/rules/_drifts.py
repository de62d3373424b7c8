"""What became of a figure that a baseline keeps, in words and in the order of its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradscope.facts import GradientDrift, Recording
from gradscope.rules._limits import figure
from gradscope.rules._words import spoken

_BY_PERCENT = 1.1
_ALIKE = 1e-3  # relative: the factors of figures with six digits


def is_lost(one: GradientDrift) -> bool:
    """Whether the parameter gets no gradient any more."""
    return one.now is None


def is_broken(one: GradientDrift) -> bool:
    """Whether it is not finite any more."""
    return one.now is not None and not math.isfinite(one.now)


def _change(one: GradientDrift) -> float:
    """How many times larger or smaller, at least 1; infinite where it cannot be told."""
    before, now = one.before, one.now
    if before is None or now is None or not (math.isfinite(before) and math.isfinite(now)):
        return math.inf
    if before * now <= 0:  # one is 0, or a loss changed its sign
        return math.inf
    return max(before / now, now / before)


def worst_first(drifts: Sequence[GradientDrift]) -> list[GradientDrift]:
    """Lost gradients, then those that are not finite, then the largest changes."""
    return sorted(drifts, key=lambda one: (not is_lost(one), not is_broken(one), -_change(one)))


def told(recording: Recording, one: GradientDrift) -> str:
    """ "fc.weight: norm 1.234 -> 0.617 (2 times smaller)"."""
    name = one.parameter if one.is_loss else spoken(recording, (one.parameter,))[0]
    figure_name = "" if one.figure == "loss" else f"{one.figure} " if not one.is_loss else "at last "
    values = f"{_value(one.before)} -> {_value(one.now)}"
    change = f" ({_by(one)})" if math.isfinite(_change(one)) else ""
    return f"{name}: {figure_name}{values}{change}"


def common_change(drifts: Sequence[GradientDrift]) -> str:
    """ "3 times larger", where the norms of several parameters all changed by one factor, and else ""."""
    changes = [one for one in drifts if one.figure == "norm"]
    if len(changes) < 2 or not all(math.isfinite(_change(one)) for one in changes):
        return ""
    if len({_is_larger(one) for one in changes}) > 1:
        return ""
    factors = sorted(map(_change, changes))
    return _by(changes[0]) if factors[-1] - factors[0] <= _ALIKE * factors[0] else ""


def _is_larger(one: GradientDrift) -> bool:
    return abs(one.now or 0.0) > abs(one.before or 0.0)


def _by(one: GradientDrift) -> str:
    """ "2 times smaller", "0.51% larger"."""
    times, direction = _change(one), "larger" if _is_larger(one) else "smaller"
    if times >= _BY_PERCENT:
        return f"{figure(times)} times {direction}"
    return f"{times - 1 if _is_larger(one) else 1 - 1 / times:.2%} {direction}"


def _value(value: float | None) -> str:
    return "no gradient" if value is None else f"{value:.6g}"
