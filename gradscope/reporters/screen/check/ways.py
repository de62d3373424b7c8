"""The ways of differentiating side by side: a table, and the error of differences against their step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from rich.text import Text

from gradscope.facts import Way, Ways
from gradscope.reporters.screen.curves import step_lines
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, duration, plural, wrap

_HEADS: Final = ("", "passes", "time", "error")
_RIGHT: Final = (False, False, True, True)
_GAP: Final = 2
_LONGEST_PASSES: Final = 24

_Cells: TypeAlias = tuple[str, str, str, str]


def ways_lines(ways: Ways, page: Page, *, values: bool = True) -> list[Text]:
    """The table, a text below it where it is too long for its row, and the plot."""
    size = f"{plural(ways.inputs, 'input element')}, {plural(ways.outputs, 'output element')}"
    rows, widths = _fitting(ways, page, values=values)
    lines = [
        *_heading("ways of differentiating", size, page),
        Text(f"  {_row(_HEADS, widths)}".rstrip(), STYLES["faint"]),
    ]
    below: list[Text] = []
    for way, row in zip(ways.ways, rows, strict=True):
        text = "" if row[1] == page.text(way.text) else page.text(way.text)
        line = f"  {_row(row if any(row[1:]) else row[:1], widths)}"
        fits = cells(line) + _GAP + cells(text) <= page.width
        lines.append(Text((line + " " * _GAP + text if fits else line).rstrip()))
        below += [] if fits else _told(page.text(way.name), text, page)
    drawn = step_lines(ways, width=page.width, encoding=page.encoding) if values else []
    head = _heading("error by step size", "of the central difference", page)
    return [*lines, *below, *([Text(), *head, *map(Text, drawn)] if drawn else [])]


def _heading(name: str, size: str, page: Page) -> list[Text]:
    if cells(name) + cells(size) + 2 <= page.width:
        return [Text.assemble((name, STYLES["heading"]), f"  {size}")]
    return [Text(name, STYLES["heading"]), *(Text("  " + line) for line in wrap(size, page.width - 2))]


def _fitting(ways: Ways, page: Page, *, values: bool) -> tuple[list[_Cells], list[int]]:
    """The rows and the widths of their columns: on a narrow page passes are only counted, then names cut."""
    rows: list[_Cells] = []
    widths: list[int] = []
    for spelled in (True, False):
        rows = [way_cells(way, page, spelled=spelled, values=values) for way in ways.ways]
        widths = [max(cells(head), *(cells(row[i]) for row in rows)) for i, head in enumerate(_HEADS)]
        if 2 + sum(widths) + _GAP * (len(widths) - 1) <= page.width:
            return rows, widths
    widths[0] -= 2 + sum(widths) + _GAP * (len(widths) - 1) - page.width
    return [(clip(row[0], widths[0]), *row[1:]) for row in rows], widths


def way_cells(way: Way, page: Page, *, spelled: bool, values: bool) -> _Cells:
    """Name, passes, time and error of a way; passes are spelled out or only counted."""
    passes = "" if way.passes is None else f"{way.passes:,}"
    return (
        page.text(way.name),
        page.text(way.text) if spelled and _says_passes(way) else passes,
        "" if way.seconds is None else duration(way.seconds),
        _error(way) if values else "",
    )


def _says_passes(way: Way) -> bool:
    """Whether its text only spells the passes out: `1 forward + 3 backward`."""
    return way.passes is not None and way.text[:1].isdigit() and len(way.text) <= _LONGEST_PASSES


def _error(way: Way) -> str:
    if way.error is None:
        return ""
    if way.error == 0:
        return "exact" if way.exact else "0"
    return f"{way.error:.0e}"


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for text, width, right in zip(row, widths, _RIGHT, strict=False):
        pad = " " * (width - cells(text))
        parts.append(pad + text if right else text + pad)
    return (" " * _GAP).join(parts)


def _told(name: str, text: str, page: Page) -> Iterator[Text]:
    head = f"  {name}:"
    if cells(head) + 1 + cells(text) <= page.width:
        yield Text(f"{head} {text}")
        return
    yield Text(head)
    yield from (Text("    " + line) for line in wrap(text, page.width - 4))
