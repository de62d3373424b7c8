"""Reads a Chrome trace back, and holds it to what Perfetto needs: nesting, arrows, names."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(eq=False)
class Event:
    """One slice, and the slices inside it."""

    name: str
    category: str
    track: int
    begun: int  # nanoseconds
    ended: int
    args: dict[str, Any]
    inside: list[Event] = field(default_factory=list)
    outer: Event | None = None

    def all(self) -> Iterator[Event]:
        yield self
        for one in self.inside:
            yield from one.all()

    def tree(self) -> Any:
        """The name, or (name, [trees inside])."""
        return (self.name, [one.tree() for one in self.inside]) if self.inside else self.name


@dataclass
class Trace:
    """A whole file."""

    document: dict[str, Any]
    tracks: dict[str, list[Event]]  # the outermost slices of each track, by its name
    arrows: list[tuple[Event, Event]]

    def events(self, category: str = "", name: str = "") -> list[Event]:
        """The slices of threads, in the order in which they began: not those of the training steps."""
        found = [
            one
            for track, outermost in self.tracks.items()
            for top in outermost
            for one in top.all()
            if category in ("", one.category) and name in ("", one.name)
            if not track.startswith("training steps")
        ]
        return sorted(found, key=lambda one: one.begun)


def _nanoseconds(microseconds: Any) -> int:
    return round(float(microseconds) * 1000)


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def read(path: Path) -> Trace:
    """The trace in a file; AssertionError where a viewer would drop something of it."""
    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    assert document["displayTimeUnit"] in ("ms", "ns")
    assert isinstance(document["otherData"], dict)
    names: dict[int, str] = {}
    slices: dict[int, list[Event]] = defaultdict(list)
    starts: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    for event in document["traceEvents"]:
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        kind = event["ph"]
        if kind == "M":
            if event["name"] == "thread_name":
                names[event["tid"]] = event["args"]["name"]
            continue
        begun = _nanoseconds(event["ts"])
        if kind == "X":
            assert event["dur"] >= 0
            ended = begun + _nanoseconds(event["dur"])
            one = Event(event["name"], event["cat"], event["tid"], begun, ended, event["args"])
            slices[one.track].append(one)
        else:
            assert kind in ("s", "f")
            table = starts if kind == "s" else ends
            assert event["id"] not in table, "an arrow has one start and one end"
            table[event["id"]] = event
            assert kind == "s" or event["bp"] == "e"
    assert set(slices) <= set(names), "every track has a name"
    assert len(set(names.values())) == len(names)
    tracks = {names[track]: _nested(found) for track, found in slices.items()}
    assert starts.keys() == ends.keys()
    arrows = [(_around(slices, starts[key]), _around(slices, ends[key])) for key in starts]
    return Trace(document, tracks, arrows)


def _nested(slices: list[Event]) -> list[Event]:
    """The outermost slices of a track, each with those inside it; no two may overlap in part."""
    outermost: list[Event] = []
    open_: list[Event] = []
    for one in sorted(slices, key=lambda each: (each.begun, -each.ended)):
        while open_ and open_[-1].ended <= one.begun:
            open_.pop()
        if open_:
            assert one.ended <= open_[-1].ended, f"{one.name} sticks out of {open_[-1].name}"
            one.outer = open_[-1]
            open_[-1].inside.append(one)
        else:
            outermost.append(one)
        open_.append(one)
    return outermost


def _around(slices: dict[int, list[Event]], event: dict[str, Any]) -> Event:
    """The innermost slice around an arrow's end."""
    moment = _nanoseconds(event["ts"])
    around = [one for one in slices[event["tid"]] if one.begun <= moment <= one.ended]
    assert around, "an arrow's end lies in a slice"
    return max(around, key=lambda one: (one.begun, -one.ended))
