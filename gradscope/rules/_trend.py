"""A robust trend: the median slope of a row of numbers, with an interval that assumes no distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_TWO_SIDED = 1.96  # standard deviations of a 95% interval
_LARGEST_STEP = 0.5  # of the whole change: more is one op, not a trend
_MOST_PLACES = 400  # pairs grow with the square


@dataclass(frozen=True, slots=True)
class Trend:
    """How a positive quantity changes over a row of places, in decades (factors of ten).

    `slope` is the median of all pairwise slopes (Theil and Sen), for one place; `low` and `high` are
    its 95% interval (Sen, by the variance of Kendall's statistic). `ends` is the change from the first
    fifth to the last, `largest_step` the largest change between neighbours.
    """

    places: int
    slope: float
    low: float
    high: float
    ends: float
    largest_step: float

    @property
    def score(self) -> float:
        """Decades of steady change over the whole row, signed; 0 where the interval contains zero."""
        if self.low <= 0 <= self.high or self.ends * self.slope <= 0:
            return 0.0
        fitted = abs(self.slope) * (self.places - 1)
        steady = (abs(self.ends) - self.largest_step) / (1 - _LARGEST_STEP)
        return math.copysign(max(0.0, min(fitted, abs(self.ends), steady)), self.slope)


def trend(values: Sequence[float]) -> Trend:
    """The trend of positive, finite values in the order of their places; at least two."""
    logs = [math.log10(value) for value in values]
    count = len(logs)
    stride = math.ceil(count / _MOST_PLACES)
    places = range(0, count, stride)
    slopes = sorted((logs[j] - logs[i]) / (j - i) for i in places for j in places if i < j)
    used = len(places)
    within = _TWO_SIDED * math.sqrt(used * (used - 1) * (2 * used + 5) / 18)
    low = max(0, math.floor((len(slopes) - within) / 2) - 1)
    high = min(len(slopes) - 1, math.ceil((len(slopes) + within) / 2))
    few = max(1, count // 5)
    ends = statistics.median(logs[-few:]) - statistics.median(logs[:few])
    largest = max(abs(after - before) for before, after in pairwise(logs))
    return Trend(count, statistics.median(slopes), slopes[low], slopes[high], ends, largest)
