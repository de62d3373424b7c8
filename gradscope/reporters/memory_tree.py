"""The modules by what they save: a tree in which equal neighbours stand for each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gradscope.facts.memory import ModuleMemory


@dataclass(slots=True, eq=False)
class ModuleRow:
    """A module, or `count` equal ones, whose sizes are then sums; `least` and `most` are of one.

    `name` is the last part of the path, `3`. `is_run` says that the row is neighbours, named `0-11`, and not
    the same module inside each of them.
    """

    name: str
    class_name: str
    saved: int
    own: int
    count: int = 1
    least: int = 0
    most: int = 0
    is_run: bool = False
    below: list[ModuleRow] = field(default_factory=list)

    def shape(self) -> tuple[object, ...]:
        """What neighbours must have in common to stand for each other: classes and names, at any depth."""
        return (self.class_name, tuple((each.name, each.count, each.shape()) for each in self.below))


def module_tree(modules: Sequence[ModuleMemory]) -> list[ModuleRow]:
    """The roots, each with what is below it, in the order of the facts; what saves nothing is left out."""
    rows: dict[str, ModuleRow] = {}
    roots: list[ModuleRow] = []
    for module in modules:
        if module.saved <= 0:
            continue
        above = _above(module.path, rows)
        name = module.path[len(above) + 1 :] if above is not None else module.path
        row = ModuleRow(name, module.class_name, module.saved, module.own, 1, module.saved, module.saved)
        rows[module.path] = row
        (roots if above is None else rows[above].below).append(row)
    for row in reversed(rows.values()):  # what is below comes later, and is folded first
        row.below = [_joined(each) for each in _folded(row.below)]
    return roots


def _above(path: str, known: dict[str, ModuleRow]) -> str | None:
    """The nearest module that is known and that the path lies in."""
    while "." in path:
        path = path.rpartition(".")[0]
        if path in known:
            return path
    return None


def _folded(rows: Sequence[ModuleRow]) -> Iterator[ModuleRow]:
    """The rows, those that are numbered one after the other and built alike as one."""
    run: list[ModuleRow] = []
    shape: tuple[object, ...] = ()
    for row in rows:
        own_shape = row.shape()
        if run and not (row.name.isdecimal() and run[-1].name.isdecimal() and own_shape == shape):
            yield _merged(run)
            run = []
        run.append(row)
        shape = own_shape
    if run:
        yield _merged(run)


def _joined(row: ModuleRow) -> ModuleRow:
    """The row, or what it holds where that is all it has: `layers.0-79` for `layers`."""
    if row.count != 1 or len(row.below) != 1 or row.own or row.below[0].saved < row.saved:
        return row
    inner = row.below[0]
    inner.name = f"{row.name}.{inner.name}"  # of a run too: `layers.0-79`
    return inner


def _merged(run: Sequence[ModuleRow]) -> ModuleRow:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return first
    return ModuleRow(
        name=f"{first.name}-{last.name}",
        class_name=first.class_name,
        saved=sum(row.saved for row in run),
        own=sum(row.own for row in run),
        count=sum(row.count for row in run),
        least=min(row.least for row in run),
        most=max(row.most for row in run),
        is_run=True,
        below=[_added(each) for each in zip(*(row.below for row in run), strict=True)],
    )


def _added(rows: Sequence[ModuleRow]) -> ModuleRow:
    """The same module of several equal blocks, as one."""
    merged = _merged(rows)
    merged.name, merged.is_run = rows[0].name, rows[0].is_run
    return merged
