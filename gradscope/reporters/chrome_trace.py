"""Slices as Chrome's trace events: JSON that Perfetto (ui.perfetto.dev) and chrome://tracing open.

Source of the format: the "Trace Event Format" document of the Chromium project. A slice is a complete
event (`ph` "X"), an arrow a pair of flow events (`ph` "s" and "f" of one `id`, the latter bound to the
slice around it, `bp` "e"), names of processes and tracks are metadata (`ph` "M"). Times are microseconds
from the start of the recording.
"""

from __future__ import annotations

import json
import linecache
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gradscope.errors import printable
from gradscope.finding import Location
from gradscope.folds.places import Place
from gradscope.folds.timeline import Detail, Slice
from gradscope.reporters.paths import short_path

_LONGEST_TEXT = 160
_MOST_KNOWN = 50_000
_FLOW = "forward to backward"
START = '{"displayTimeUnit":"ms","traceEvents":[\n'


class ChromeTrace:
    """Writes the events of one process. Times count from `start_ns`; paths are relative to `cwd`.

    `redacted` leaves out the text of the program and paths outside the working directory.
    """

    def __init__(self, process: int, start_ns: int, cwd: str, *, redacted: bool = False) -> None:
        self._process = process
        self._start = start_ns
        self._cwd = cwd
        self._redacted = redacted
        self._flows = 0
        self._known: dict[tuple[Any, ...], str] = {}
        self._places: dict[Place, dict[str, Any]] = {}

    def events(self, slices: Sequence[Slice]) -> str:
        """The events of some slices, one a line, each followed by a comma."""
        return "".join(f"{line},\n" for one in slices for line in self._lines(one))

    def end(
        self, process_name: str, track_names: Mapping[int, str], about: Mapping[str, Any], gap: Slice | None
    ) -> str:
        """What closes the file: the names of the tracks, in their order, and `about` the whole."""
        lines = [*self._lines(gap)] if gap is not None else []
        lines += self._metadata("process_name", 0, name=process_name)
        for track, name in sorted(track_names.items()):
            lines += self._metadata("thread_name", track, name=printable(name))
            lines += self._metadata("thread_sort_index", track, sort_index=track)
        return ",\n".join(lines) + '\n],"otherData":' + _json(about) + "}\n"

    def _metadata(self, event: str, track: int, **args: Any) -> Iterator[str]:
        yield _json({"ph": "M", "name": event, "pid": self._process, "tid": track, "args": args})

    def _lines(self, one: Slice) -> Iterator[str]:
        key = (one.category, one.name, one.place, one.details)
        told = self._known.get(key)
        if told is None:
            told = _json({"cat": one.category, "name": printable(one.name), "args": self._args(one)})[1:-1]
            if len(self._known) < _MOST_KNOWN:
                self._known[key] = told
        duration = max(0, one.ended_ns - one.begun_ns)
        yield (
            f'{{"ph":"X","pid":{self._process},"tid":{one.track},"ts":{self._moment(one.begun_ns)},'
            f'"dur":{_microseconds(duration)},{told}}}'
        )
        if one.origin is not None:
            self._flows += 1
            # a moment inside a slice: at the very beginning it may still be taken for the one around it
            for phase, when, track in (
                ("s", one.origin.when_ns, one.origin.track),
                ("f", one.begun_ns, one.track),
            ):
                bound = ',"bp":"e"' if phase == "f" else ""
                yield (
                    f'{{"ph":"{phase}","id":{self._flows},"cat":"flow","name":"{_FLOW}"{bound},'
                    f'"pid":{self._process},"tid":{track},"ts":{self._moment(when + 1)}}}'
                )

    def _args(self, one: Slice) -> dict[str, Any]:
        args = dict(self._place(one.place))
        args.update((name, self._detail(value)) for name, value in one.details)
        return args

    def _detail(self, value: Detail) -> Any:
        if isinstance(value, tuple):
            return ", ".join(_tensor(shape, dtype) for shape, dtype in value)
        return value

    def _place(self, place: Place | None) -> dict[str, Any]:
        if place is None:
            return {}
        told = self._places.get(place)
        if told is None:
            told = self._places[place] = self._located(place.location())
        return told

    def _located(self, location: Location | None) -> dict[str, Any]:
        if location is None:
            return {}
        path = short_path(location.path, self._cwd)
        if self._redacted and (os.path.isabs(path) or path.startswith("..")):
            path = "<path>"
        told: dict[str, Any] = {"line": f"{path}:{location.line}"}
        text = "" if self._redacted else _text(location)
        if text:
            told["expression"] = text
        if location.module:
            told["module"] = location.module
        return told

    def _moment(self, nanoseconds: int) -> str:
        return _microseconds(nanoseconds - self._start)


def _microseconds(nanoseconds: int) -> str:
    """Exact to the nanosecond, which a double of the microseconds since boot would not be."""
    sign = "-" if nanoseconds < 0 else ""
    whole, rest = divmod(abs(nanoseconds), 1000)
    return f"{sign}{whole}.{rest:03d}"


def _tensor(shape: Sequence[int] | None, dtype: object) -> str:
    if shape is None:
        return "undefined" if dtype is None else str(dtype)
    sizes = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    return sizes if dtype is None else f"{str(dtype).removeprefix('torch.')} {sizes}"


def _text(location: Location) -> str:
    """The expression at a location, on one line and shortened; of a block, the line that heads it."""
    last = location.end_line or location.line
    lines = [linecache.getline(location.path, line).rstrip("\n") for line in range(location.line, last + 1)]
    if location.column is None or location.end_column is None or not lines:
        return ""
    lines[-1] = lines[-1][: location.end_column - 1]
    lines[0] = lines[0][location.column - 1 :]
    if lines[0].endswith(":"):
        del lines[1:]  # of a `for` or a `with`, the line that heads it
    text = printable(" ".join(part for line in lines if (part := line.strip())))
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _json(value: Any) -> str:
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    """Numbers that JSON has no way to write become text: "nan", "inf", "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_finite(each) for each in value]
    return value
