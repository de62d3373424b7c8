"""One track for each thread: what is open on it, and which of its ops made which nodes.

What torch's hooks open may never be closed: a `KeyboardInterrupt` passes the hook that would do it. So an
open slice knows the frame that it stands for, and is closed when that frame is found to be gone.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TypeAlias

from gradscope.folds.timeline import Details, Origin, Slice, SliceBuffer
from gradscope.recorder.places import Loc
from gradscope.recorder.timeline.steps import Steps

_MOST_NODES = 250_000  # whose forward op is remembered, for each thread
OPAQUE = "opaque"  # the category of what must not be looked into
_get_ident = threading.get_ident


Mark: TypeAlias = tuple[int, CodeType]


def mark(frame: FrameType) -> Mark:
    """Tells a frame without holding it: once it is gone, another one of the same code may get its id."""
    return id(frame), frame.f_code


@dataclass(slots=True, eq=False)
class Open:
    """A slice that has begun. `key` is the id of what it is about, `frame` tells its frame (see `mark`)."""

    begun_ns: int
    category: str
    name: str
    place: Loc | None = None
    details: Details = ()
    key: int = 0
    frame: Mark | None = None
    is_phase: bool = False


class Track:
    """The slices of one thread."""

    def __init__(self, number: int, buffer: SliceBuffer, steps: Steps) -> None:
        self.number = number
        self.open: list[Open] = []
        self.last_ns = 0  # the end of the latest slice
        self.steps = steps
        self._buffer = buffer
        self._made: dict[int, tuple[int, Loc | None]] = {}  # by sequence number

    @property
    def is_opaque(self) -> bool:
        """Whether what runs now is inside something that is one slice."""
        return bool(self.open) and self.open[-1].category == OPAQUE

    def begin(self, one: Open) -> Open:
        """Opens a slice inside those that are open; a phase after closing those whose frame is gone."""
        if one.is_phase and one.frame is None:
            self.close_left(sys._getframe(1))
        if one.is_phase:
            self.steps.begin(one)
        self.open.append(one)
        return one

    def end(self, one: Open, ended_ns: int) -> None:
        """Closes a slice, and before it those that were left open inside it."""
        if one not in self.open:
            return
        while (top := self.open.pop()) is not one:
            self._close(top, max(top.begun_ns, self.last_ns))
        self._close(one, ended_ns)

    def end_of(self, key: int, ended_ns: int) -> None:
        """Closes the innermost slice with that key."""
        one = next((each for each in reversed(self.open) if each.key == key), None)
        if one is not None:
            self.end(one, ended_ns)

    def end_all(self) -> None:
        """Closes whatever is open where the last thing seen inside it ended."""
        while self.open:
            top = self.open.pop()
            self._close(top, max(top.begun_ns, self.last_ns))

    def add(self, one: Slice) -> None:
        """Adds a slice that is over."""
        if one.ended_ns > self.last_ns:
            self.last_ns = one.ended_ns
        self._buffer.waiting.append(one)

    def pause(self) -> None:
        """Between two things: a moment to hand on what waits, if that is enough."""
        if self._buffer.is_full:
            begun = time.perf_counter_ns()
            self._buffer.hand_on()
            ended = time.perf_counter_ns()
            self.add(Slice(begun, ended, self.number, "gradscope", "gradscope writes the timeline"))

    def _close(self, one: Open, ended_ns: int) -> None:
        self.add(Slice(one.begun_ns, ended_ns, self.number, one.category, one.name, one.place, one.details))
        if one.is_phase:
            self.steps.end(one, ended_ns)
        if not self.open:
            self.pause()

    def close_left(self, frame: FrameType | None) -> None:
        """Closes what is open although its frame does not call `frame`: an exception passed it."""
        innermost = next((one for one in reversed(self.open) if one.frame is not None), None)
        if innermost is None:
            return
        living = set()
        while frame is not None:
            marked = mark(frame)
            if marked == innermost.frame:
                return
            living.add(marked)
            frame = frame.f_back
        left = next(one for one in self.open if one.frame is not None and one.frame not in living)
        self.end(left, max(left.begun_ns, self.last_ns))

    # ------------------------------------------------------------ from forward to backward

    def made(self, first: int, end: int, when_ns: int, place: Loc | None) -> None:
        """The nodes numbered from `first` up to `end` came of a slice that ran at that moment."""
        known = self._made
        if len(known) > _MOST_NODES:
            for number in list(known)[: _MOST_NODES // 2]:
                del known[number]
        for number in range(first, end):
            known.setdefault(number, (when_ns, place))

    def origin(self, number: int, place: Loc | None) -> Origin | None:
        """Where the node with that sequence number was made; numbers are those of this thread only."""
        found = self._made.get(number)
        if found is None or (place is not None and found[1] is not None and found[1] is not place):
            return None
        return Origin(found[0], self.number)


class Tracks:
    """The tracks by thread."""

    def __init__(self, buffer: SliceBuffer) -> None:
        self._buffer = buffer
        self._tracks: dict[int, Track] = {}
        self._all: list[Track] = []
        self._names: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._steps = iter(range(1, sys.maxsize))
        self.main = self.new_thread()

    def here(self) -> Track:
        """The track of this thread."""
        return self._tracks.get(_get_ident()) or self.of(_get_ident())

    def of(self, thread: int) -> Track:
        """The track of a thread by its number; one that Python did not start is the engine's."""
        track = self._tracks.get(thread)
        return track if track is not None else self._new(thread)

    def new_thread(self) -> Track:
        """A track for this thread, whose number an earlier one may have had."""
        return self._new(_get_ident())

    def _new(self, thread: int) -> Track:
        names = {each.ident: each.name for each in threading.enumerate()}
        with self._lock:
            number = 2 * len(self._all) + 1
            name = names.get(thread, "autograd engine")
            self._names[name] += 1
            if self._names[name] > 1:
                name = f"{name} #{self._names[name]}"
            main = threading.main_thread().ident == thread
            suffix = "" if main else f" ({name})"
            steps = Steps(self._buffer, number, self._steps, f"training steps{suffix}")
            track = self._tracks[thread] = Track(number + 1, self._buffer, steps)
            self._buffer.track_names[track.number] = "main thread" if main else f"thread {name}"
            self._all.append(track)
        return track

    def all(self) -> list[Track]:
        """Every track, in the order in which they were first seen."""
        return list(self._all)

    def origin(self, number: int, place: Loc | None) -> Origin | None:
        """The forward slice that made a node, in whichever thread that was."""
        found = (track.origin(number, place) for track in self._all)
        return next((one for one in found if one is not None), None)
