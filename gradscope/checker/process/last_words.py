"""Where a process was when it died or hung: what `faulthandler` wrote into a file of ours. No torch here."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from gradscope.finding import Location

_FRAME = re.compile(r'^  File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)$')


@dataclass(frozen=True, slots=True)
class LastLine:
    """A line of the program, and the name of the function that it stands in."""

    location: Location
    function: str


def last_line(path: str, files: Collection[str]) -> LastLine | None:
    """The innermost line that lies in one of the `files`, of the threads in `faulthandler`'s order.

    The file at `path` holds what `faulthandler` wrote, which may be nothing, or several tracebacks: the
    last one counts. None where no line of it is in `files`.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    for line in _last_traceback(text).splitlines():
        found = _FRAME.match(line)
        if found and found["path"] in files:
            return LastLine(Location(found["path"], int(found["line"])), found["function"])
    return None


def _last_traceback(text: str) -> str:
    """From the last header on; `faulthandler` begins each one with the reason, or with the time limit."""
    starts = [
        found.start() for found in re.finditer(r"^(Fatal |Timeout |Windows fatal )", text, re.MULTILINE)
    ]
    return text[starts[-1] :] if starts else text
