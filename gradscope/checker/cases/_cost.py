"""What a comparison costs at least, told from one evaluation: none is begun that cannot end in time."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from gradscope.checker.point import Deadline, Point

_EVALUATIONS = 100
"""What the shortest comparison takes, in evaluations: 25 forwards and backwards, and its own arithmetic,
measured at 10^5 to 10^6 elements."""

_known: WeakKeyDictionary[Point, float] = WeakKeyDictionary()


def has_time_to_compare(point: Point, deadline: Deadline) -> bool:
    """Whether the time suffices for a comparison at a point. Raises what the subject's forward raises."""
    return _EVALUATIONS * seconds_of(point) <= deadline.left()


def seconds_of(point: Point) -> float:
    """The seconds that this thread computes for one evaluation; measured once a point, the second time."""
    if point not in _known:
        point.values()
        began = time.thread_time()
        point.values()
        _known[point] = time.thread_time() - began
    return _known[point]
