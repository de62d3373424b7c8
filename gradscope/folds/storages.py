"""The life of every storage: its size, when it was allocated and when it was freed, and what for."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from gradscope.facts.memory import MemoryKind, MemoryPhase, Moment

MOST_EVENTS: Final = 4_000_000
"""Births and deaths that are kept one by one: 16 bytes each."""

KINDS: Final = tuple(MemoryKind)
_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_OTHER: Final = _CODES[MemoryKind.OTHER]
NO_MAKER: Final = -1


class StorageLog:
    """Takes births and deaths in their order; bytes that are alive now stand in `live`.

    A storage is known by its number, in the order of birth from 0. An event is a birth or a death; its
    index is the time of the log. After `most` events only the sums are kept up, and `is_complete` is False.
    """

    def __init__(self, most: int = MOST_EVENTS, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._most = most
        self._clock = clock
        self.sizes = array("q")
        self.makers = array("q")  # by storage: what made it, an index of the caller's own
        self._kinds = array("b")
        self._events = array("q")  # number + 1 for a birth, its negative for a death
        self._times = array("q")
        self._phases: list[tuple[int, MemoryPhase]] = [(0, MemoryPhase.OUTSIDE)]
        self._begun = clock()
        self.phase = MemoryPhase.OUTSIDE
        self.live = 0
        self.peaks: dict[MemoryPhase, tuple[int, int]] = {}
        """By phase: the most bytes that were alive in it, and the index of the event that reached it (-1 for
        one that was not kept)."""
        self.is_complete = True

    @property
    def now(self) -> int:
        """The index that the next event will have."""
        return len(self._events)

    def enter(self, phase: MemoryPhase) -> None:
        """What the program does from now on."""
        if phase is not self.phase:
            self.phase = phase
            if self.is_complete:
                self._phases.append((self.now, phase))
            self._look()

    def born(self, size: int, maker: int = NO_MAKER, kind: MemoryKind = MemoryKind.OTHER) -> int:
        """A storage of `size` bytes was allocated; returns its number."""
        number = len(self.sizes)
        self.sizes.append(size)
        self.makers.append(maker)
        self._kinds.append(_CODES[kind])
        self.live += size
        self._event(number + 1)
        self._look()
        return number

    def gone(self, number: int) -> None:
        """The storage of that number was freed."""
        self.live -= self.sizes[number]
        self._event(-number - 1)

    def label(self, number: int, kind: MemoryKind) -> None:
        """Says what a storage is used for, for the whole of its life; the last word counts."""
        self._kinds[number] = _CODES[kind]

    def kind(self, number: int) -> MemoryKind:
        """What a storage is used for."""
        return KINDS[self._kinds[number]]

    def _event(self, signed: int) -> None:
        if len(self._events) >= self._most:
            self.is_complete = False
            return
        self._events.append(signed)
        self._times.append(self._clock())

    def _look(self) -> None:
        """Keeps up the peak of the phase, as the last event left it."""
        best = self.peaks.get(self.phase)
        if best is None or self.live > best[0]:
            self.peaks[self.phase] = (self.live, self.now - 1 if self.is_complete else -1)

    # ------------------------------------------------------------ afterwards

    def events(self) -> Iterator[tuple[int, bool]]:
        """(number, whether it was born) for every event."""
        for signed in self._events:
            yield (signed - 1, True) if signed > 0 else (-signed - 1, False)

    def alive_after(self, event: int) -> set[int]:
        """The numbers of the storages that were alive when the event of that index was over."""
        alive: set[int] = set()
        for signed in self._events[: event + 1]:
            if signed > 0:
                alive.add(signed - 1)
            else:
                alive.discard(-signed - 1)
        return alive

    def kinds_after(self, event: int) -> dict[MemoryKind, int]:
        """Bytes by kind when the event of that index was over, in the order of `MemoryKind`."""
        sums = [0] * len(KINDS)
        for number in self.alive_after(event):
            sums[self._kinds[number]] += self.sizes[number]
        return {kind: size for kind, size in zip(KINDS, sums, strict=True) if size}

    def kinds_at(self, events: Iterable[int]) -> dict[int, dict[MemoryKind, int]]:
        """`kinds_after` of several events, in one pass."""
        wanted = set(events)
        sums, found = [0] * len(KINDS), {}
        for index, signed in enumerate(self._events):
            if signed > 0:
                sums[self._kinds[signed - 1]] += self.sizes[signed - 1]
            else:
                sums[self._kinds[-signed - 1]] -= self.sizes[-signed - 1]
            if index in wanted:
                found[index] = dict(_nonzero(sums))
        return found

    def born_at(self, event: int) -> int | None:
        """The number of the storage whose birth the event of that index was, None for a death."""
        signed = self._events[event] if 0 <= event < len(self._events) else 0
        return signed - 1 if signed > 0 else None

    def lives(self) -> tuple[array[int], array[int]]:
        """The indices of the birth and of the death of every storage; a death that did not come is -1."""
        births, deaths = array("q", bytes(8 * len(self.sizes))), array("q", [-1]) * len(self.sizes)
        for index, signed in enumerate(self._events):
            if signed > 0:
                births[signed - 1] = index
            else:
                deaths[-signed - 1] = index
        return births, deaths

    def seconds(self, event: int) -> float:
        """The time of an event, since the log began."""
        return (self._times[event] - self._begun) / 1e9

    def curve(self, most: int = 1_000) -> tuple[Moment, ...]:
        """At most about `most` moments of the whole: of every stretch the one at which most was alive."""
        count = len(self._events)
        stretch = max(1, -(-count // most))
        sums, live = [0] * len(KINDS), 0
        phases = iter([*self._phases, (count + 1, MemoryPhase.OUTSIDE)])
        phase, (change, after) = MemoryPhase.OUTSIDE, next(phases)
        moments: list[Moment] = []
        best: tuple[int, int, MemoryPhase, list[int]] | None = None
        for index, signed in enumerate(self._events):
            while index >= change:
                phase, (change, after) = after, next(phases)
            number = abs(signed) - 1
            size = self.sizes[number] if signed > 0 else -self.sizes[number]
            sums[self._kinds[number]] += size
            live += size
            if best is None or live > best[0]:
                best = (live, index, phase, sums.copy())
            if (index + 1) % stretch == 0 or index == count - 1:
                _, at, in_phase, kinds = best
                moments.append(
                    Moment(self.seconds(at), in_phase, dict(_nonzero(kinds))),
                )
                best = None
        return tuple(moments)


def _nonzero(sums: list[int]) -> Iterator[tuple[MemoryKind, int]]:
    return ((kind, size) for kind, size in zip(KINDS, sums, strict=True) if size)
