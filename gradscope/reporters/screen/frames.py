"""Code frames in the manner of rustc: the lines, what is marked in them, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.finding import Location
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.source_line import SourceLine, fit, source_line
from gradscope.reporters.screen.underlines import Span, underline_rows
from gradscope.reporters.screen.words import wrap

_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to mark in a frame: `^^^^` where it is the primary one, `----` otherwise."""

    location: Location
    label: str
    primary: bool


def has_source(lines: Sequence[str], location: Location) -> bool:
    """Whether the source holds a line that is worth showing at `location`."""
    return 0 < location.line <= len(lines) and bool(lines[location.line - 1].strip())


def frame(lines: Sequence[str], marks: Sequence[Mark], page: Page, style: str) -> list[Text]:
    """The frame of one file: each marked line with what stands under it, the primary one in its context.

    `lines` are the file's; every mark lies on one of them. Lines that were left out between two shown
    ones are a `...`; a single line is shown rather than left out. `style` colours the primary marks.
    """
    shown = {number: source_line(lines[number - 1], page) for number in line_numbers(lines, marks)}
    room = page.width - _DIGITS - 4
    margin = _margin(shown.values(), room)
    rows: list[Text] = []
    previous = None
    for number, line in shown.items():
        if previous is not None and number > previous + 1:
            rows.append(Text(" " * (_DIGITS - 2) + "...", STYLES["gutter"]))
        previous = number
        rows += _line_rows(number, line, [m for m in marks if m.location.line == number], room, margin, style)
    return rows


def line_numbers(lines: Sequence[str], marks: Sequence[Mark]) -> list[int]:
    """The lines to show: those that are marked, the neighbours of primary marks, and single gaps."""
    marked = {mark.location.line for mark in marks}
    context = {mark.location.line + step for mark in marks if mark.primary for step in (-1, 1)}
    numbers = marked | {n for n in context if 0 < n <= len(lines) and lines[n - 1].strip()}
    joins = {n + 1 for n in numbers if n + 2 in numbers}
    return sorted(numbers | joins)


def _margin(shown: Iterable[SourceLine], room: int) -> int:
    """How many blanks to take off every line: none where all lines fit, the common indent otherwise."""
    full = [line for line in shown if line.length]
    if not full or max(line.length for line in full) <= room:
        return 0
    return min(line.indent for line in full)


def _line_rows(
    number: int, line: SourceLine, marks: Sequence[Mark], room: int, margin: int, style: str
) -> list[Text]:
    marks = sorted(marks, key=lambda mark: not mark.primary)
    stretches = [_stretch(line, mark.location) for mark in marks]
    text, first = fit(_dedented(line, margin), room, [(a - margin, b - margin) for a, b in stretches])
    left = first + margin
    spans, outside = [], []
    for (start, end), mark in zip(stretches, marks, strict=True):
        if end <= left or start >= left + room:
            outside.append(f"column {mark.location.column}: {mark.label}" if mark.label else "")
        else:
            spans.append(Span(max(start - left, 0), min(end - left, room), mark.label, mark.primary))
    below = underline_rows(spans, room, style)
    below += [Text(part, STYLES["second"]) for label in outside for part in wrap(label, room) if label]
    gutter = Text(f"{number:>{_DIGITS}} | ", STYLES["gutter"])
    blank = (" " * _DIGITS + " | ", STYLES["gutter"])
    return [Text.assemble(gutter, Text(text)), *(Text.assemble(blank, row) for row in below)]


def _stretch(line: SourceLine, location: Location) -> tuple[int, int]:
    """The marked cells: from the column to the end column, or to the line's end where it goes on."""
    start = line.indent if location.column is None else line.cell(location.column)
    goes_on = location.end_line is not None and location.end_line > location.line
    if location.column is None or location.end_column is None or goes_on:
        end = line.length
    else:
        end = line.cell(location.end_column)
    return start, max(end, start + 1)


def _dedented(line: SourceLine, margin: int) -> SourceLine:
    if not margin:
        return line
    # indentation is blanks and tabs, whose pieces are blanks too
    skip = next((i for i, offset in enumerate(line.offsets) if offset >= margin), len(line.pieces))
    rest = max(0, line.offsets[skip] - margin)  # of a tab that reaches past the margin
    return SourceLine(
        (" " * rest, *line.pieces[skip:]), (0, *(max(0, n - margin) for n in line.offsets[skip:]))
    )
