"""What a graph keeps, by module, by line and by tensor. Every storage is counted once, where it is first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gradscope.facts.memory import LineMemory, ModuleMemory, SavedAt
from gradscope.finding import Location
from gradscope.folds.kept_graph import KeptGraph, KeptNode, KeptPlace, KeptTensor


@dataclass(slots=True)
class _Line:
    location: Location
    saved: int = 0
    tensors: int = 0
    ops: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Row:
    """Equal tensors that equal nodes save at one line. `nodes` are the indices of those nodes."""

    op: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    location: Location | None
    size: int = 0
    count: int = 0
    modules: dict[str, None] = field(default_factory=dict)
    nodes: list[int] = field(default_factory=list)

    def fact(self, cheaper: str | None = None, cheaper_by: int = 0) -> SavedAt:
        """The row as it is shown."""
        return SavedAt(
            self.op,
            self.name,
            self.shape,
            self.dtype,
            self.size,
            self.count,
            self.location,
            tuple(self.modules),
            cheaper,
            cheaper_by,
        )


class KeptRows:
    """Adds up one graph. `size_of` gives the bytes of a storage, 0 for one that does not count as saved."""

    def __init__(self, graph: KeptGraph, size_of: Callable[[int], int]) -> None:
        self.graph = graph
        self.saved = 0
        self._own: dict[str, int] = {}
        self._lines: dict[tuple[str, int], _Line] = {}
        self._rows: dict[tuple[object, ...], Row] = {}
        counted: set[int] = set()
        for index, node in enumerate(graph.nodes):
            for tensor in node.saved:
                new = [number for number in tensor.storages if number not in counted]
                counted.update(new)
                size = sum(map(size_of, new))
                if size:
                    self._add(index, node, tensor, size)

    def _add(self, index: int, node: KeptNode, tensor: KeptTensor, size: int) -> None:
        self.saved += size
        place = self.graph.place(node) or KeptPlace(None)
        module, location = place.module, place.location
        if module is not None:
            self._own[module] = self._own.get(module, 0) + size
        at = None
        if location is not None:
            at = (location.path, location.line)
            line = self._lines.setdefault(at, _Line(replace(location, module=None)))
            line.saved += size
            line.tensors += 1
            line.ops[node.op] = None
        key = (node.op, tensor.name, tensor.shape, tensor.dtype, at)
        row = self._rows.get(key)
        if row is None:
            anywhere = replace(location, module=None) if location is not None else None
            row = self._rows[key] = Row(node.op, tensor.name, tensor.shape, tensor.dtype, anywhere)
        row.size += size
        row.count += 1
        row.nodes.append(index)
        if module is not None:
            row.modules[module] = None

    def modules(self, classes: Mapping[str, str]) -> tuple[ModuleMemory, ...]:
        """The modules that save anything. `classes` has the class of each, in the order to tell them in."""
        total: dict[str, int] = {}
        for path, size in self._own.items():
            for each in _with_parents(path, classes):
                total[each] = total.get(each, 0) + size
        order = {path: number for number, path in enumerate(classes)}
        paths = sorted(total, key=lambda path: order.get(path, len(order)))
        return tuple(
            ModuleMemory(path, classes.get(path) or _stranger(path), total[path], self._own.get(path, 0))
            for path in paths
        )

    def lines(self) -> tuple[LineMemory, ...]:
        """The lines that save anything, those that save most first."""
        return tuple(
            LineMemory(line.location, line.saved, line.tensors, tuple(line.ops))
            for line in sorted(self._lines.values(), key=lambda line: -line.saved)
        )

    def rows(self) -> list[Row]:
        """Equal tensors of a line together, the largest first."""
        return sorted(self._rows.values(), key=lambda row: -row.size)


def _with_parents(path: str, classes: Mapping[str, str]) -> Iterator[str]:
    """A module and those around it, up to its root; a name of a root may have dots in it."""
    yield path
    while "." in path:
        path = path.rpartition(".")[0]
        if path in classes:
            yield path


def _stranger(path: str) -> str:
    """The class of a module that is not registered in its root: its path ends with it ("<Linear>")."""
    return path.rpartition(".")[2].strip("<>")
