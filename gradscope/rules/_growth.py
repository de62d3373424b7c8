"""Whether the whole gradient grows from step to step until training breaks down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from gradscope.facts import GradientGrowth, Recording

DECADES = 6.0
_FEWEST_RECORDS = 4  # without an overflow
_LOSS_GROWTH = 1e3
_FEWEST_LATER = 3
_LAST_DECADES = 3.0  # of the gradient
_ALIKE = (0.9, 1.05)  # decades of the loss for each decade of the gradient


def diverging(recording: Recording) -> Iterator[GradientGrowth]:
    """Growths by a factor of a million and more that overflow, or take the loss with them."""
    return (growth for growth in recording.gradient_growths if steady_decades(growth) >= DECADES)


def steady_decades(growth: GradientGrowth) -> float:
    """By how many powers of ten the norm grew; 0 where that does not look like divergence.

    With an overflow right after it, two backwards tell. Without, it takes at least four, a loss that
    grows as well, and no single step that makes up most of it (a batch of another scale) unless the loss
    never comes back.
    """
    logs = [math.log10(norm) for norm in growth.norms]
    total = logs[-1] - logs[0]
    first, last = growth.losses[0], growth.losses[-1]
    if growth.overflow is not None:
        return total if first is None or last is None or abs(last) > abs(first) else 0.0
    largest = max(after - before for before, after in pairwise(logs))
    if is_lost(growth):
        return total
    if len(logs) < _FEWEST_RECORDS or first is None or last is None or largest > total / 2:
        return 0.0
    return total if abs(last) > _LOSS_GROWTH * abs(first) and not _is_weighted(growth) else 0.0


def is_lost(growth: GradientGrowth) -> bool:
    """Whether the loss is beyond all that it was before the growth, backwards after it."""
    before, after = growth.highest_loss, growth.last_loss
    if before is None or after is None or growth.later < _FEWEST_LATER:
        return False
    return abs(after) > _LOSS_GROWTH * before


def _is_weighted(growth: GradientGrowth) -> bool:
    """Whether loss and gradient grow alike, as they do where a factor of the loss does (a penalty, a scale).

    A loss that diverges grows faster than its gradient: it is the square of what grows, or a higher power.
    """
    known = [
        (math.log10(norm), math.log10(abs(loss)))
        for norm, loss in zip(growth.norms, growth.losses, strict=True)
        if loss
    ]
    end, loss_end = known[-1]
    norm, loss = next((pair for pair in reversed(known) if pair[0] <= end - _LAST_DECADES), known[0])
    low, high = _ALIKE
    return low * (end - norm) < loss_end - loss < high * (end - norm)
