"""Where each value of an engine was made: the program's line, under the methods of the engine itself."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Set
from types import CodeType, FrameType
from typing import Any

from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc, intern_loc, is_inner

_MOST_VALUES = 1 << 19
_MOST_BETWEEN_BACKWARDS = 1 << 19


class Birth:
    """One value: its line, the order in which it came, and the methods of the engine that were running.

    `steps` are their instructions, outermost first; a value without any was made by the program itself.
    `own` is False for what another value of the same call was made of (the `-b` in `a - b`).
    """

    __slots__ = ("loc", "method", "number", "own", "steps", "value")

    def __init__(self, loc: Loc, method: CodeType | None, steps: tuple[int, ...], number: int) -> None:
        self.loc = loc
        self.method = method
        self.steps = steps
        self.number = number
        self.own = True
        self.value: weakref.ref[Any] | None = None

    @property
    def in_engine(self) -> bool:
        """Whether the engine itself made the value, on the way to another one or as its result."""
        return bool(self.steps)


class Births:
    """The births of the values that live. `wanted` says whether the next backward will ask for them.

    Values are known by their id, and by a weak reference where their class allows one.
    """

    def __init__(self, now: Now, codes: Set[CodeType]) -> None:
        self._now = now
        self._codes = codes
        self._of: dict[int, Birth] = {}
        self._last: Birth | None = None
        self._since_backward = 0
        self.count = 0
        self.wanted = True

    def born(self, value: Any) -> None:
        """Just before the `__init__` of a value; never raises."""
        if not self.wanted:
            return
        try:
            self._note(value, sys._getframe(3))  # under the watch, and the door
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("a value of an engine", error)

    def _note(self, value: Any, frame: FrameType | None) -> None:
        steps: list[int] = []
        method = None
        while frame is not None:
            code = frame.f_code
            if code in self._codes and code.co_name == "__init__":
                pass  # of a subclass, which calls the one of its base
            elif code in self._codes:
                steps.append(frame.f_lasti)
                method = code
            elif not is_inner(code):
                break
            frame = frame.f_back
        birth = Birth(intern_loc(frame), method, tuple(reversed(steps)), self.count)
        last = self._last
        # Within one call of a method the instructions only move on; a new call begins again.
        if last is not None and last.loc is birth.loc and last.method is method and last.steps < birth.steps:
            last.own = False
        self._last = birth
        try:
            birth.value = weakref.ref(value)
        except TypeError:
            birth.value = None  # a class with slots
        self._of[id(value)] = birth
        self._since_backward += 1
        self.count += 1
        if len(self._of) > _MOST_VALUES:
            for old in list(self._of)[: _MOST_VALUES // 2]:
                del self._of[old]
        if self._since_backward >= _MOST_BETWEEN_BACKWARDS:
            self.wanted = False

    def of(self, value: Any) -> Birth | None:
        """How a value was made, None where that was not seen."""
        birth = self._of.get(id(value))
        if birth is None or (birth.value is not None and birth.value() is not value):
            return None
        return birth

    def after_backward(self, *, wanted: bool) -> None:
        """A backward ended; whether the next one will ask."""
        self._since_backward = 0
        self.wanted = wanted
        self._last = None

    def forget(self) -> None:
        """At the end of the recording."""
        self.wanted = False
        self._of.clear()
        self._last = None
