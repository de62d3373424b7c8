"""What stands under a line of source: `^^^^` and `----`, their labels stacked as rustc does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.text import Text

from gradscope.reporters.screen.page import STYLES, cells
from gradscope.reporters.screen.words import wrap

_LABEL_ROOM: Final = (
    28  # labels that hang move left rather than wrap into less, and a lone one rather than wrap
)


@dataclass(frozen=True, slots=True)
class Span:
    """A marked stretch of one printed line, in cells, `end` exclusive."""

    start: int
    end: int
    label: str
    primary: bool


def underline_rows(spans: Sequence[Span], room: int, style: str) -> list[Text]:
    """The rows under one line of source, each at most `room` cells wide.

    The label of the rightmost span stands beside it where it fits; the others hang below, each from
    a `|` at its span's first cell, or right under it where there is only one. `style` colours the
    primary spans.
    """
    if not spans:
        return []
    row = _Row()
    for span in sorted(spans, key=lambda s: s.primary):
        mark = "^" if span.primary else "-"
        row.draw(span.start, mark * max(1, span.end - span.start), _style(span, style))
    hanging = sorted((span for span in spans if span.label), key=lambda s: (-s.start, not s.primary))
    beside = _beside(hanging, spans, room)
    if beside is not None:
        row.draw(beside.end + 1, beside.label, _style(beside, style))
        hanging.remove(beside)
    if not hanging:
        return [row.text()]
    connectors = [] if len(spans) == 1 else [_connectors(hanging, style).text()]
    return [row.text(), *connectors, *_hung(hanging, room, style)]


def _beside(hanging: list[Span], spans: Sequence[Span], room: int) -> Span | None:
    if not hanging:
        return None
    first = hanging[0]
    others = [span for span in hanging[1:] if span.start == first.start]
    free = max(span.end for span in spans) <= first.end and not others
    return first if free and first.end + 1 + cells(first.label) <= room else None


def _connectors(spans: Sequence[Span], style: str, before: int | None = None) -> _Row:
    row = _Row()
    for span in sorted(spans, key=lambda s: s.primary):
        if before is None or span.start < before:
            row.draw(span.start, "|", _style(span, style))
    return row


def _hung(hanging: list[Span], room: int, style: str) -> list[Text]:
    rows: list[Text] = []
    for index, span in enumerate(hanging):
        start, length = span.start, cells(span.label)
        needed = length if len(hanging) == 1 and length <= room else min(length, _LABEL_ROOM)
        if start + needed > room:
            start = max(0, room - length)
        for part in wrap(span.label, room - start):
            row = _connectors(hanging[index + 1 :], style, before=start)
            row.draw(start, part, _style(span, style))
            rows.append(row.text())
    return rows


def _style(span: Span, style: str) -> str:
    return style if span.primary else STYLES["second"]


class _Row:
    """Cells being drawn on from left to right, later strokes over earlier ones."""

    def __init__(self) -> None:
        self._cells: list[tuple[str, str]] = []

    def draw(self, start: int, text: str, style: str) -> None:
        self._cells.extend([(" ", "")] * (start - len(self._cells)))
        for index, character in enumerate(text, start):
            if index < len(self._cells):
                self._cells[index] = (character, style)
            else:
                self._cells.append((character, style))

    def text(self) -> Text:
        row = Text()
        for style, cells_of_it in groupby(self._cells, key=lambda cell: cell[1]):
            row.append("".join(character for character, _ in cells_of_it), style or None)
        return row
