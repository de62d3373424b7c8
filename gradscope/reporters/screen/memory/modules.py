"""Which modules save how much: the tree, opened where the most is, in a few rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.facts.memory import MemoryUse
from gradscope.reporters.memory_tree import ModuleRow, module_tree
from gradscope.reporters.memory_words import share_text, size_text
from gradscope.reporters.screen.bars import bar
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, plural

MOST_ROWS: Final = 9
_MOST_BELOW: Final = 6
_LEAST_SHARE: Final = 0.025  # of the whole: less is not worth a row
_FEWEST_NAME_CELLS: Final = 16
_LONGEST_BAR: Final = 24
_SHORTEST_BAR: Final = 6
_NUMBERS: Final = 22  # cells of all but name, bar and remark
_OWN: Final = 0.1  # share from which on it is said what an open module saves itself


def module_lines(memory: MemoryUse, page: Page) -> list[Text]:
    """The tree with bytes and shares; empty where nothing is known of modules."""
    roots = module_tree(memory.modules)
    whole = sum(row.saved for row in roots)
    if not whole:
        return []
    rows = list(_rows(roots, _opened(roots, whole), 0, whole))
    shown = [row for row in rows if row.module is not None]
    remarks = max(len(_remark(row)) for row in shown)
    room = page.width - _NUMBERS - (remarks + 2 if remarks else 0)
    names = min(max(cells(_name(row, page)) for row in shown), max(room, _FEWEST_NAME_CELLS))
    bars = min(_LONGEST_BAR, room - names)
    head = f"{'saved by module':{2 + names}}  {'bytes':>9}  share"
    return [Text(head, STYLES["heading"]), *(_line(row, names, bars, whole, page) for row in rows)]


@dataclass(frozen=True, slots=True)
class _Row:
    """A module at a depth, or None: so many that are `hidden`."""

    module: ModuleRow | None
    depth: int
    is_open: bool = False
    hidden: int = 0


def _opened(roots: Sequence[ModuleRow], whole: int) -> set[int]:
    """By `id`: the largest rows are opened first, as long as all fit."""
    opened: set[int] = set()
    shown = list(roots)
    count = len(shown)
    while True:
        closed = [row for row in shown if id(row) not in opened and _below(row, whole)[0]]
        for row in sorted(closed, key=lambda row: -row.saved):
            below, hidden = _below(row, whole)
            if count + len(below) + bool(hidden) <= MOST_ROWS:
                break
        else:
            return opened
        opened.add(id(row))
        shown += below
        count += len(below) + bool(hidden)


def _below(row: ModuleRow, whole: int) -> tuple[list[ModuleRow], int]:
    """What is worth a row of what is below, and how many are too many; what is very small does not count."""
    worth = [each for each in row.below if each.saved >= _LEAST_SHARE * whole]
    largest = sorted(worth, key=lambda each: -each.saved)[:_MOST_BELOW]
    return [each for each in worth if each in largest], len(worth) - len(largest)


def _rows(rows: Sequence[ModuleRow], opened: set[int], depth: int, whole: int) -> Iterator[_Row]:
    for module in rows:
        is_open = id(module) in opened
        yield _Row(module, depth, is_open)
        if is_open:
            below, hidden = _below(module, whole)
            yield from _rows(below, opened, depth + 1, whole)
            if hidden:
                yield _Row(None, depth + 1, hidden=hidden)


def _name(row: _Row, page: Page) -> str:
    module = row.module
    if module is None:
        return ""
    name = f"{'  ' * row.depth}{page.text(module.name)}"
    if module.is_run:
        return f"{name}: {module.count} x {page.text(module.class_name)}"
    is_told = row.depth == 0 and module.class_name != module.name
    return f"{name} ({page.text(module.class_name)})" if is_told else name


def _line(row: _Row, names: int, bars: int, whole: int, page: Page) -> Text:
    module = row.module
    if module is None:
        return Text(f"  {'  ' * row.depth}... and {plural(row.hidden, 'more module')}", STYLES["faint"])
    name = clip(_name(row, page), names)
    line = Text(f"  {name}{' ' * (names - cells(name))}  {size_text(module.saved):>9}  ")
    line.append(f"{share_text(module.saved, whole):>5}")
    remark = _remark(row)
    if bars >= _SHORTEST_BAR:
        drawn = bar(module.saved / whole, bars)
        line.append(f"  {drawn}", STYLES["second"])
        line.append(" " * (bars - cells(drawn)) if remark else "")
    return line.append(f"  {remark}", STYLES["faint"]) if remark else line


def _remark(row: _Row) -> str:
    module = row.module
    if module is None:
        return ""
    if module.is_run:
        least, most = size_text(module.least), size_text(module.most)
        return f"{most} each" if least == most else f"{least} to {most} each"
    return f"{size_text(module.own)} itself" if row.is_open and module.own >= _OWN * module.saved else ""
