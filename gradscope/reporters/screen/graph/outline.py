"""Which groups of a graph the module tree shows, so that it fits on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gradscope.autograd_graph.folding import Run
from gradscope.autograd_graph.modules import Tree
from gradscope.autograd_graph.opening import Opened
from gradscope.reporters.screen.bars import MOST_BARS

MOST_ROWS: Final = 36
_MOST_SIBLINGS: Final = 24
_LAST_SIBLINGS: Final = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A row to be: a group (`run` is None), or a run of like blocks.

    A run that is all its module holds has that module as its `group`, another one its first block. `inner`
    says that the part is the first block of a run, under whose bars it stands for what they all are.
    `level` is how deep a view must be to open it.
    """

    group: int
    level: int
    run: Run | None = None
    inner: bool = False


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """A part at a depth, or so many `hidden` ones; `is_open` says that rows of what is below follow."""

    part: Part | None
    depth: int
    is_open: bool = False
    hidden: int = 0


class Outline:
    """The parts of one graph, and which of them are open."""

    def __init__(self, tree: Tree, opened: Opened) -> None:
        self._tree, self._folds = tree, opened.folds

    def rows(self, depth: int | None, limit: int = MOST_ROWS) -> list[OutlineRow]:
        """The rows to show: as deep as was asked for, or level by level as long as a level fits in `limit`.

        Where a level does not fit, the runs of it are opened, and then the largest groups, as far as there
        is room; of more than 24 neighbours those in the middle are counted.
        """
        top = self._parts(self._tree.top)
        if depth is not None:
            return list(self._asked_for(top, depth))
        opened = self._opened(top, limit)
        return list(self._fitting(top, opened))

    def turns(self, run: Run) -> list[tuple[int, ...]]:
        """The groups of each turn of a run."""
        groups = self._tree.groups
        parent = groups[run.groups[0]].parent
        siblings: Sequence[int] = groups[parent].children if parent >= 0 else self._tree.top
        first, width = siblings.index(run.groups[0]), len(run.groups)
        return [tuple(siblings[at : at + width]) for at in range(first, first + run.turns * width, width)]

    # ------------------------------------------------------------ what is inside what

    def _parts(self, groups: Sequence[int]) -> list[Part]:
        found = []
        for each in groups:
            if self._folds.shown_groups[each] != each:
                continue
            level = self._tree.groups[each].level
            run = self._folds.runs.get(each)
            if run is None:
                found.append(self._alone(each, level))
            elif run.groups[0] == each:
                found.append(Part(each, level - 1, run))
        return found

    def _alone(self, group: int, level: int) -> Part:
        """A group; it is a run where that is all it holds."""
        this = self._tree.groups[group]
        if this.nodes or not this.children:
            return Part(group, level)
        run = self._folds.runs.get(this.children[0])
        covers = run is not None and run.turns * len(run.groups) == len(this.children)
        return Part(group, level, run if covers else None)

    def _below(self, part: Part) -> list[Part]:
        if part.run is None:
            return self._parts(self._tree.groups[part.group].children)
        inner = [Part(group, self._tree.groups[group].level, inner=True) for group in part.run.groups]
        return [each for each in inner if self._tree.groups[each.group].children]

    # ------------------------------------------------------------ what is open

    def _asked_for(self, top: Sequence[Part], depth: int) -> Iterator[OutlineRow]:
        stack = [(part, 0) for part in reversed(top)]
        while stack:
            part, indent = stack.pop()
            if part.inner and part.level >= depth:
                continue
            below = self._below(part)
            is_open = part.level < depth and (bool(below) or part.run is not None)
            yield OutlineRow(part, indent, is_open)
            if is_open:
                stack += [(each, indent + 1) for each in reversed(below)]

    def _opened(self, top: Sequence[Part], limit: int) -> set[Part]:
        opened: set[Part] = set()
        used = min(len(top), _MOST_SIBLINGS)
        level = list(top[:_MOST_SIBLINGS])
        while level:
            costs = {part: self._cost(part) for part in level}
            inside = [part for part in level if costs[part]]
            if used + sum(costs.values()) > limit:
                size = {part: self._tree.groups[part.group].size for part in inside}
                for part in sorted(inside, key=lambda part: (part.run is None, -size[part])):
                    if used + costs[part] <= limit:
                        used += costs[part]
                        opened.add(part)
                break
            used += sum(costs.values())
            opened.update(inside)
            level = [each for part in inside for each in self._below(part)[:_MOST_SIBLINGS]]
        return opened

    def _cost(self, part: Part) -> int:
        """How many rows it takes to open a part. What is inside a block has a row only when it is open."""
        if part.run is not None:
            return min(part.run.turns, MOST_BARS)
        return part.inner + min(len(self._below(part)), _MOST_SIBLINGS + 1)

    def _fitting(self, top: Sequence[Part], opened: set[Part]) -> Iterator[OutlineRow]:
        stack = list(reversed(list(_clipped(top, 0))))
        while stack:
            row = stack.pop()
            if row.part is None:
                yield row
                continue
            is_open = row.part in opened
            if row.part.inner and not is_open:
                continue
            yield OutlineRow(row.part, row.depth, is_open)
            if is_open:
                stack += reversed(list(_clipped(self._below(row.part), row.depth + 1)))


def _clipped(parts: Sequence[Part], depth: int) -> Iterator[OutlineRow]:
    hidden = len(parts) - _MOST_SIBLINGS
    for index, part in enumerate(parts):
        if hidden <= 1 or not _MOST_SIBLINGS - _LAST_SIBLINGS <= index < len(parts) - _LAST_SIBLINGS:
            yield OutlineRow(part, depth)
        elif index == len(parts) - _LAST_SIBLINGS - 1:
            yield OutlineRow(None, depth, hidden=hidden)
