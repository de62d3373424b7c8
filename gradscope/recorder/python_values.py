"""Values that leave torch as Python numbers or NumPy arrays, and come back.

What leaves is remembered; what enters is matched against it, in order of confidence: the same memory
(an array that shares a tensor's storage), the same number (a float that `item()` gave), and last the
names in the source: a value that left on one line flows, by assignments, into the line where one enters.
Only the last is a guess, and says so.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing, Value
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc, intern_loc, user_frame

_TRIVIAL = frozenset(
    {
        0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -0.5,
        3.0,
        4.0,
        10.0,
        100.0,
        1000.0,
        0.25,
        0.1,
        0.01,
        0.001,
        0.9,
        0.99,
        0.999,
    }
)
_MOST_NUMBERS = 5000
_MOST_EXITS = 64
_MOST_ELEMENTS = 1000

FlowsBetween = Callable[[Loc, Loc], bool]


class PythonValues:
    """What left torch and may come back."""

    def __init__(self, now: Now, flows_between: FlowsBetween) -> None:
        self._now = now
        self._flows_between = flows_between
        self._numbers: OrderedDict[float, Value] = OrderedDict()
        self._objects: OrderedDict[int, tuple[float, Value]] = OrderedDict()  # the very float objects
        self._callers: dict[Loc, dict[int, Loc]] = {}
        self._arrays: OrderedDict[int, tuple[int, Value]] = OrderedDict()  # address -> (bytes, value)
        self._exits: OrderedDict[Loc, Value] = OrderedDict()
        self._choices: OrderedDict[Loc, Value] = OrderedDict()
        self.active = False

    def left(self, result: Any, value: Value, op: str, loc: Loc) -> None:
        """A tensor's content left as a number, nested list of numbers, or array."""
        kind = CutKind.PYTHON_NUMBER
        address = _address(result)
        if address is not None:
            kind = CutKind.NUMPY
        cut = Severing(kind) if value.requires_grad else None
        exited = Value(op, (value,), loc, False, self._now.epoch, cut=cut)
        if address is not None:
            _put(self._arrays, address[0], (address[1], exited), _MOST_EXITS)
        else:
            for number in _numbers(result):
                _put(self._numbers, number, exited, _MOST_NUMBERS)
            for number in _floats(result):
                _put(self._objects, id(number), (number, exited), _MOST_NUMBERS)
        _put(self._exits, loc, exited, _MOST_EXITS)
        self._callers[loc] = _callers()
        self.active = True

    def chose(self, value: Value, op: str, loc: Loc) -> None:
        """A tensor's content left as a bool or an integer: it can only choose, or count."""
        exited = Value(op, (value,), loc, False, self._now.epoch, cut=Severing(CutKind.CHOICE))
        _put(self._choices, loc, exited, _MOST_EXITS)
        if loc not in self._callers:
            self._callers[loc] = _callers()

    def exits(self) -> list[tuple[Value, tuple[Loc, ...]]]:
        """What left in this epoch, with the place and those of the calls around it, innermost first."""
        return [
            (value, (loc, *list(self._callers.get(loc, {}).values())[1:]))
            for table in (self._choices, self._exits)
            for loc, value in table.items()
            if value.epoch == self._now.epoch
        ]

    def tick(self, epoch: int) -> None:
        """Forgets what left two epochs ago."""
        _forget(self._choices, lambda value: value.epoch < epoch - 1)
        _forget(self._numbers, lambda value: value.epoch < epoch - 1)
        _forget(self._objects, lambda kept: kept[1].epoch < epoch - 1)
        _forget(self._exits, lambda value: value.epoch < epoch - 1)
        _forget(self._arrays, lambda array: array[1].epoch < epoch - 1)
        self.active = bool(self._numbers or self._arrays or self._exits)

    def among_arguments(self, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> list[Value]:
        """Values that an ordinary op takes in as plain numbers (`x * scale`)."""
        floats = [a for a in (*args, *kwargs.values()) if type(a) is float]
        if not floats:
            return []
        found = [v for f in floats if (v := self._same(f) or self._numbers.get(f)) is not None]
        if found:
            return found
        literals = literal_numbers(loc)
        strange = [f for f in floats if f not in literals]
        return self.entering(strange[0], loc) if strange else []

    def _same(self, number: float) -> Value | None:
        """The value that gave this very float object: exact also for a number like 1.0."""
        kept = self._objects.get(id(number))
        return kept[1] if kept is not None and kept[0] is number else None

    def _may_flow(self, exit_loc: Loc, entry_loc: Loc, entry: dict[int, Loc]) -> bool:
        """By names in the source: in one function, or in the innermost caller that both places have."""
        if self._flows_between(exit_loc, entry_loc):
            return True
        left = self._callers.get(exit_loc, {})
        common = next(
            (key for key, loc in left.items() if key in entry and loc.code is entry[key].code), None
        )
        if common is None or left[common] is entry[common]:
            return False
        return self._flows_between(left[common], entry[common])

    def entering(self, content: Any, loc: Loc) -> list[Value]:
        """Values that come back in `content` (a number, a list, an array) at `loc`, surest first."""
        address = _address(content)
        if address is not None:
            for start, (size, value) in self._arrays.items():
                if start <= address[0] < start + max(size, 1):
                    return [value]
        found = {id(v): v for f in _floats(content) if (v := self._same(f)) is not None}
        found |= {id(v): v for n in _numbers(content) if (v := self._numbers.get(n)) is not None}
        if found:
            return list(found.values())
        if not _may_hold_numbers(content):
            return []
        nested = [value for exit_loc, value in self._exits.items() if _inside(exit_loc, loc)]
        if nested:
            return nested  # `from_numpy(smooth(h.numpy()))`: it left within the very expression it enters by
        entry = _callers()
        guesses = [
            value
            for exit_loc, value in self._exits.items()
            if exit_loc.code is not None and self._may_flow(exit_loc, loc, entry)
        ]
        return [_uncertain(value) for value in guesses]


def _inside(inner: Loc, outer: Loc) -> bool:
    """Whether one place's expression is a part of another's."""
    if inner.code is not outer.code or inner.lasti == outer.lasti:
        return False
    one, other = inner.location(), outer.location()
    if one is None or other is None or None in (one.column, other.column, one.end_column, other.end_column):
        return False
    begins = (other.line, other.column) <= (one.line, one.column)
    ends = (one.end_line, one.end_column) <= (other.end_line, other.end_column)
    return begins and ends


def _callers(most: int = 8) -> dict[int, Loc]:
    """The program's running frames, innermost first, each with the instruction it is at."""
    found: dict[int, Loc] = {}
    frame = user_frame(sys._getframe(1))
    while frame is not None and len(found) < most:
        found[id(frame)] = intern_loc(frame)
        frame = user_frame(frame.f_back)
    return found


def _uncertain(value: Value) -> Value:
    cut = Severing(value.cut.kind, certain=False) if value.cut is not None else None
    return Value(value.op, value.parents, value.loc, False, value.epoch, cut=cut, guessed=True)


def _forget(table: OrderedDict[Any, Any], is_old: Callable[[Any], bool]) -> None:
    for key in [key for key, kept in table.items() if is_old(kept)]:
        del table[key]


def _put(table: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


def _address(content: Any) -> tuple[int, int] | None:
    interface = getattr(content, "__array_interface__", None)
    if not isinstance(interface, dict):
        return None
    return int(interface["data"][0]), int(getattr(content, "nbytes", 0))


def _may_hold_numbers(content: Any) -> bool:
    if isinstance(content, (list, tuple)):
        return any(_may_hold_numbers(item) for item in islice(content, 16))
    kind = getattr(getattr(content, "dtype", None), "kind", None)
    return isinstance(content, float) or kind in ("f", "c")


def _floats(content: Any) -> Iterable[float]:
    if type(content) is float:
        yield content
    elif isinstance(content, (list, tuple)):
        for item in islice(content, _MOST_ELEMENTS):
            yield from _floats(item)


def _numbers(content: Any) -> Iterable[float]:
    if isinstance(content, float):  # NumPy's float64 is one
        if content not in _TRIVIAL and content == content:
            yield float(content)
    elif isinstance(content, (list, tuple)):
        for item in islice(content, _MOST_ELEMENTS):
            yield from _numbers(item)
    elif _address(content) is not None and getattr(content, "size", _MOST_ELEMENTS) < 64:
        yield from _numbers(content.tolist())
    elif type(content).__module__ == "numpy" and getattr(content, "ndim", 1) == 0:
        yield from _numbers(content.item())


def literal_numbers(loc: Loc) -> frozenset[Any]:
    """Numbers written in the code itself: they come from nowhere."""
    return (
        frozenset() if loc.code is None else frozenset(c for c in loc.code.co_consts if isinstance(c, float))
    )
