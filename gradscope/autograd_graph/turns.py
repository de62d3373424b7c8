"""Where a sequence repeats itself: the stretches of it that are one pattern, turn after turn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

FEWEST_TURNS: Final = 4
_MOST_PATTERNS: Final = 16


class Turns(NamedTuple):
    """`sequence[start:end]` repeats itself after every `period`; its last turn may be cut short."""

    start: int
    period: int
    end: int


def turns_of(sequence: Sequence[int]) -> list[Turns]:
    """The stretches of at least `FEWEST_TURNS` equal turns, none of which overlap, in their order.

    A word that comes once a turn tells how long a turn is, so rare words are looked at first; in time
    proportional to the length.
    """
    places: dict[int, list[int]] = defaultdict(list)
    for at, word in enumerate(sequence):
        places[word].append(at)
    often = sorted([found for found in places.values() if len(found) >= FEWEST_TURNS], key=len)
    taken = bytearray(len(sequence))
    turns: list[Turns] = []
    tried = 0
    for found in often:
        free = [at for at in found if not taken[at]]
        if len(free) < FEWEST_TURNS:
            continue
        tried += 1
        if tried > _MOST_PATTERNS:
            break
        period = Counter([after - at for at, after in pairwise(free)]).most_common(1)[0][0]
        for one in _stretches(sequence, period, taken, free):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            turns.append(one)
    return sorted(turns)


def _stretches(
    sequence: Sequence[int], period: int, taken: bytearray, free: Sequence[int]
) -> Iterator[Turns]:
    """The stretches with that period around the places `free`."""
    low, high = max(0, free[0] - period), min(len(sequence), free[-1] + period + 1)
    start = low
    for at in range(low, high):
        after = at + period
        if after < high and sequence[at] == sequence[after] and not taken[at] and not taken[after]:
            continue
        end = min(after, high)
        if end - start >= FEWEST_TURNS * period and at > start:
            yield Turns(start, period, end)
        start = at + 1
