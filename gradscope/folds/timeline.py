"""The slices of a timeline: collected while the program runs, handed on in stretches, limited in number.

A run of days must not fill the memory or the disk. The first slices are handed on as they come; of the
later ones only the last are kept, because that is where a program that died did so. Every slice knows
its beginning and its end, so any selection of them is still properly nested.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from gradscope.folds.places import Place

MOST_SLICES = 400_000
LAST_SLICES = 40_000
_STRETCH = 20_000

Shape: TypeAlias = tuple[int, ...]
Detail: TypeAlias = "str | int | bool | tuple[tuple[Shape | None, object], ...]"
Details: TypeAlias = tuple[tuple[str, Detail], ...]


class Origin(NamedTuple):
    """Where an arrow to a slice comes from: a moment, in nanoseconds, inside a slice of that track."""

    when_ns: int
    track: int


class Slice(NamedTuple):
    """Something that began and ended, in nanoseconds of one monotonic clock, on one track.

    `details` are (name, value) pairs; tensors are described as a tuple of (shape, dtype), either of which
    may be None. `origin` is the forward slice whose gradient a slice of the backward computes.
    """

    begun_ns: int
    ended_ns: int
    track: int
    category: str
    name: str
    place: Place | None = None
    details: Details = ()
    origin: Origin | None = None


class SliceBuffer:
    """Takes slices from any thread; hands the first `most` to `write` in stretches, keeps the last `last`.

    `track_names` says what each track shows. `remarks` are sentences about what the slices do not tell;
    `of_launching` says that an accelerator was used, whose work is only launched in a slice. `write` may
    raise: nothing is handed on afterwards, and `failure` is what it raised.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Slice]], None],
        most: int = MOST_SLICES,
        last: int = LAST_SLICES,
    ) -> None:
        self.waiting: list[Slice] = []
        self.track_names: dict[int, str] = {}
        self.remarks: dict[str, None] = {}
        self.of_launching = False
        self.failure: OSError | None = None
        self.written = 0
        self.left_out = 0
        self._write = write
        self._most = most
        self._last: deque[Slice] = deque(maxlen=last)
        self._first_end = 0
        self._process = os.getpid()
        self._lock = threading.Lock()

    def add(self, one: Slice) -> None:
        """Takes one slice."""
        self.waiting.append(one)

    @property
    def is_full(self) -> bool:
        """Whether enough slices wait to be handed on."""
        return len(self.waiting) > _STRETCH

    def hand_on(self) -> None:
        """Hands on what waits; in a process that the program forked there is nobody to hand it to."""
        if os.getpid() != self._process:
            self.waiting.clear()
            return
        with self._lock:
            count = len(self.waiting)
            taken = self.waiting[:count]
            del self.waiting[:count]
            room = max(0, self._most - self.written)
            if taken[:room]:
                self._hand(taken[:room])
                self._first_end = max(self._first_end, *(one.ended_ns for one in taken[:room]), 0)
            rest = taken[room:]
            self.left_out += max(0, len(self._last) + len(rest) - (self._last.maxlen or 0))
            self._last.extend(rest)

    def finish(self) -> tuple[int, int] | None:
        """Hands on the rest; returns the stretch, in nanoseconds, of which slices were left out, if any."""
        self.hand_on()
        with self._lock:
            last, gap = list(self._last), None
            self._last.clear()
            if self.left_out:
                ended = min((one.ended_ns for one in last), default=self._first_end)
                gap = (self._first_end, max(self._first_end, ended))
            self._hand(last)
        return gap

    def _hand(self, slices: Sequence[Slice]) -> None:
        if self.failure is None and slices:
            try:
                self._write(slices)
                self.written += len(slices)
            except OSError as error:
                self.failure = error
