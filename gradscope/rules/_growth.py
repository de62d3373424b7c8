"""Whether the whole gradient grows from step to step until training breaks down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from gradscope.facts import GradientGrowth, Recording

DECADES = 6.0
_FEWEST_RECORDS = 4  # without an overflow
_LOSS_GROWTH = 1e3


def diverging(recording: Recording) -> Iterator[GradientGrowth]:
    """Growths by a factor of a million and more that overflow, or take the loss with them."""
    return (growth for growth in recording.gradient_growths if steady_decades(growth) >= DECADES)


def steady_decades(growth: GradientGrowth) -> float:
    """By how many powers of ten the norm grew; 0 where that does not look like divergence.

    With an overflow right after it, two backwards tell. Without, it takes at least four, a loss that
    grows as well, and no single step that makes up most of it (a batch of another scale).
    """
    logs = [math.log10(norm) for norm in growth.norms]
    total = logs[-1] - logs[0]
    first, last = growth.losses[0], growth.losses[-1]
    if growth.overflow is not None:
        return total if first is None or last is None or abs(last) > abs(first) else 0.0
    largest = max(after - before for before, after in pairwise(logs))
    if len(logs) < _FEWEST_RECORDS or first is None or last is None or largest > total / 2:
        return 0.0
    return total if abs(last) > _LOSS_GROWTH * abs(first) else 0.0
