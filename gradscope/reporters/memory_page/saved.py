"""What the page is told of modules, lines, tensors, and graphs that nobody used."""

from __future__ import annotations

from typing import Any

from gradscope.errors import printable
from gradscope.facts import Recording
from gradscope.facts.memory import MemoryUse
from gradscope.finding import Location
from gradscope.reporters.memory_tree import ModuleRow, module_tree
from gradscope.reporters.paths import near


def place_of(location: Location | None, cwd: str) -> str:
    """`model.py:41`, printable; empty for a place that is not known."""
    return "" if location is None else printable(near(location, cwd))


def modules_of(memory: MemoryUse) -> list[dict[str, Any]]:
    """The tree: each row has the rows `below` it."""
    return [_module(row) for row in module_tree(memory.modules)]


def _module(row: ModuleRow) -> dict[str, Any]:
    return {
        "name": printable(row.name),
        "class": printable(row.class_name),
        "saved": row.saved,
        "own": row.own,
        "count": row.count,
        "least": row.least,
        "most": row.most,
        "below": [_module(each) for each in row.below],
    }


def lines_of(memory: MemoryUse, recording: Recording, cwd: str) -> list[dict[str, Any]]:
    """The lines that save something, with their source."""
    return [
        {
            "at": place_of(each.location, cwd),
            "source": printable(" ".join(recording.line(each.location).split())),
            "saved": each.saved,
            "tensors": each.tensors,
            "ops": printable(", ".join(each.ops)),
        }
        for each in memory.lines
    ]


def tensors_of(memory: MemoryUse, cwd: str) -> list[dict[str, Any]]:
    """The largest saved tensors."""
    return [
        {
            "bytes": each.size,
            "count": each.count,
            "shape": str(tuple(each.shape)),
            "dtype": printable(each.dtype),
            "op": printable(each.op),
            "name": printable(each.name),
            "at": place_of(each.location, cwd),
            "modules": [printable(name) for name in each.modules],
            "cheaper": printable(each.cheaper or ""),
            "cheaperBy": each.cheaper_by,
        }
        for each in memory.largest
    ]


def unused_of(memory: MemoryUse, cwd: str) -> list[dict[str, Any]]:
    """The graphs that no backward used."""
    return [
        {
            "at": place_of(each.location, cwd),
            "call": printable(each.call),
            "bytes": each.size,
            "nodes": each.nodes,
            "count": each.count,
        }
        for each in memory.unused
    ]
