"""What `--sweep` and `--against` say: read from text, without torch."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass

from gradscope.errors import UsageError, caret

POINTS = 61
"""How many points a sweep has by default: with ends that are whole numbers, the whole numbers are hit."""

MOST_POINTS = 10_000
_TRY_SWEEP = "gradscope check ops.py:Relu --sweep x=-3:3"
_TRY_AGAINST = (
    "gradscope check functions.py:f --against df",
    "gradscope check functions.py:f --against other.py:df",
)
_INPUT = re.compile(r"[^\W\d]\w*(\[[^\]=]+\])*\Z")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


@dataclass(frozen=True, slots=True)
class Sweep:
    """The values `count` evenly spaced points from `start` to `stop` give to the input called `name`."""

    name: str
    start: float
    stop: float
    count: int = POINTS


@dataclass(frozen=True, slots=True)
class Against:
    """Where a derivative written by hand stands; `path` is "" where that is the checked file itself."""

    path: str
    name: str


def read_sweep(text: str) -> Sweep:
    """Reads `NAME=FROM:TO` or `NAME=FROM:TO:COUNT`; UsageError with a caret at what is not understood."""
    name, equals, interval = text.partition("=")
    if not equals:
        raise _refused(text, "it does not say which input: NAME=FROM:TO", 0, len(text))
    if not _INPUT.match(name.strip()):
        raise _refused(text, "an input's name must stand before the =", 0, max(1, len(name)))
    start = len(name) + 1
    parts = interval.split(":")
    if len(parts) not in (2, 3):
        raise _refused(text, "after the = stands FROM:TO, or FROM:TO:COUNT", start, len(text))
    begins = [start + sum(len(part) + 1 for part in parts[:index]) for index in range(len(parts))]
    first, last = (_number(text, parts[i], begins[i]) for i in (0, 1))
    if first >= last:
        reason = "FROM and TO are the same" if first == last else "FROM is larger than TO"
        raise _refused(text, reason, start, begins[1] + len(parts[1]))
    count = _count(text, parts[2], begins[2]) if len(parts) == 3 else POINTS
    return Sweep(name.strip(), first, last, count)


def _number(text: str, part: str, begin: int) -> float:
    try:
        value = float(part)
    except ValueError:
        raise _refused(text, f"{part or 'nothing'} is not a number", begin, begin + len(part)) from None
    if not math.isfinite(value):
        raise _refused(text, "both ends must be finite", begin, begin + len(part))
    return value


def _count(text: str, part: str, begin: int) -> int:
    if not part.strip().isdecimal() or not 2 <= int(part) <= MOST_POINTS:
        reason = f"COUNT is a whole number from 2 to {MOST_POINTS}"
        raise _refused(text, reason, begin, begin + len(part))
    return int(part)


def _refused(text: str, reason: str, start: int, end: int) -> UsageError:
    where = caret(text.replace("\n", " "), start, max(end, start + 1), label="--sweep")
    return UsageError(f"this --sweep cannot be used: {reason}", where=where, try_next=_TRY_SWEEP)


def read_against(text: str) -> Against:
    """Reads `file.py:df`, or `df` for a function of the checked file; UsageError where it names neither.

    That the file exists is checked here; that it has such a function, where it is imported.
    """
    path, colon, name = text.strip().rpartition(":")
    if name.endswith(".py") or os.path.isfile(text):
        raise UsageError(
            f"--against {text} does not say which function of that file is the derivative",
            try_next=f"--against {text}:df",
        )
    if not _DOTTED.match(name):
        what = "what stands after the colon" if colon else "it"
        raise UsageError(
            f"--against {text} cannot be used: {what} must be the name of a function", try_next=_TRY_AGAINST
        )
    if colon and not path:
        raise UsageError(
            f"a file must stand before the colon of --against {text}", try_next=f"--against {name}"
        )
    if path and not os.path.isfile(path):
        raise UsageError(f"no such file: {path}  (--against)", try_next=_TRY_AGAINST)
    return Against(path, name)
