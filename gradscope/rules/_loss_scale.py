"""Which loss scales keep float16 gradients above zero and below infinity, from their exponents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 65504.0  # float16
SMALLEST_EXPONENT = -24  # of the smallest float16 number above 0
_HEADROOM = 3  # binary orders of magnitude: gradients grow eightfold before they overflow
KEPT = 0.99  # of what the highest scale keeps


@dataclass(frozen=True, slots=True)
class ScaleRange:
    """Powers of two for the loss, relative to the scale it had: from `low` to `high`.

    At `high` the largest gradient is still eight times below 65,504, and `kept` (0..1) of the elements
    stay above 0; at `low` nearly as many do.
    """

    low: int
    high: int
    kept: float


def scale_range(exponents: Sequence[tuple[int, int]], largest: float) -> ScaleRange | None:
    """The range for gradients with these (exponent, count) and this largest magnitude.

    None where the loss cannot be scaled up at all, or where that would save nothing.
    """
    if not exponents or not 0 < largest < math.inf:
        return None
    high = headroom(largest)
    kept = kept_at(exponents, high)
    if high <= 0 or not kept:
        return None
    low = min(power for power in range(high + 1) if kept_at(exponents, power) >= KEPT * kept)
    return ScaleRange(low, high, kept)


def headroom(largest: float) -> int:
    """The highest power of two by which this may be multiplied with an order of magnitude to spare."""
    return math.floor(math.log2(LARGEST / largest)) - _HEADROOM


def kept_at(exponents: Sequence[tuple[int, int]], power: int) -> float:
    """The share (0..1) of the elements that stay above 0 where all are multiplied by 2^power."""
    total = sum(count for _, count in exponents)
    kept = sum(count for exponent, count in exponents if exponent + power >= SMALLEST_EXPONENT)
    return kept / total if total else 0.0


def median(exponents: Sequence[tuple[int, int]]) -> float:
    """The power of two above half of the elements."""
    half, seen = sum(count for _, count in exponents) / 2, 0
    for exponent, count in exponents:
        seen += count
        if seen >= half:
            return math.ldexp(1.0, exponent + 1)
    return 0.0


def power_of_two(power: int) -> str:
    """ "2**14 (16,384)"; without the number where it is long."""
    return f"2**{power} ({2**power:,})" if 0 <= power <= 20 else f"2**{power}"
