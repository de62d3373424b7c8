"""The source text of every file that a recording mentions, as it was run."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Iterator, Mapping
from typing import Any

from gradscope.facts import AutogradGraph, GraphPlace, Recording
from gradscope.facts.graph import Definition
from gradscope.finding import Location


def collect_sources(recording: Recording) -> Mapping[str, tuple[str, ...]]:
    """Path -> lines without newlines, for every path of a `Location` in the recording."""
    sources: dict[str, tuple[str, ...]] = {}
    for location in _locations(recording):
        if location.path not in sources:
            lines = linecache.getlines(location.path)
            if lines:
                sources[location.path] = tuple(line.rstrip("\r\n") for line in lines)
    return sources


def _locations(fact: Any) -> Iterator[Location]:
    stack = [fact]
    while stack:
        current = stack.pop()
        if isinstance(current, Location):
            yield current
        elif dataclasses.is_dataclass(current):
            stack.extend(getattr(current, field.name) for field in dataclasses.fields(current))
        elif isinstance(current, AutogradGraph):
            stack.extend((current.places, current.definitions, current.backward, current.other_passes))
        elif isinstance(current, (GraphPlace, Definition)):
            stack.append(current.location)
        elif isinstance(current, (tuple, list)):
            stack.extend(current)
