"""The lines of a small program that its graph was made by, for stepping through them."""

from __future__ import annotations

import linecache
from typing import Any, Final

from gradscope.autograd_graph.drawing import Subject
from gradscope.errors import printable
from gradscope.finding import Location
from gradscope.reporters.paths import near

_MOST_LINES: Final = 200
_CONTEXT: Final = 1


def listing_of(subject: Subject) -> list[dict[str, Any]]:
    """The lines that made nodes and what stands directly around them, file by file: [{"file", "lines"}].

    A line is [number, text, "train.py:12"]. Empty where the source cannot be read.
    """
    wanted: dict[str, set[int]] = {}
    places = [each.location for each in subject.graph.places]
    for location in (*places, subject.graph.backward):
        if location is not None:
            around = range(location.line - _CONTEXT, location.line + _CONTEXT + 1)
            wanted.setdefault(location.path, set()).update(around)
    files = []
    for path, numbers in wanted.items():
        lines = linecache.getlines(path)
        shown = sorted(each for each in numbers if 0 < each <= len(lines))[:_MOST_LINES]
        if shown:
            name = printable(near(Location(path, 1), subject.cwd).rpartition(":")[0])
            files.append({"file": name, "lines": [_line(path, each, lines, subject.cwd) for each in shown]})
    return files


def _line(path: str, number: int, lines: list[str], cwd: str) -> list[Any]:
    text = printable(lines[number - 1].rstrip("\r\n").expandtabs(4))
    return [number, text, printable(near(Location(path, number), cwd))]
