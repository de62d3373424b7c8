"""One bar that shows what memory consists of, and below it which mark is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from gradscope.facts.memory import MemoryKind
from gradscope.reporters.memory_words import LEAST_SHARE, kind_sizes, size_text
from gradscope.reporters.screen.page import Page, cells

MARKS: Final = "█▓▒░▚▞"
COLOURS: Final = {
    MemoryKind.SAVED: "blue",
    MemoryKind.OTHER: "yellow",
    MemoryKind.PARAMETER: "green",
    MemoryKind.GRADIENT: "magenta",
    MemoryKind.OPTIMIZER_STATE: "cyan",
    MemoryKind.INPUT: "",
    MemoryKind.BUFFER: "",
}
_GAP: Final = 3

Part = tuple[MemoryKind, int]


def stack_lines(kinds: Mapping[MemoryKind, int], page: Page) -> list[Text]:
    """The bar and its legend; kinds of less than half a cell are not drawn, those of hardly any not told."""
    parts = kind_sizes(kinds)
    whole = sum(size for _, size in parts)
    room = page.width - 4
    drawn = [(kind, size) for kind, size in parts if size * room * 2 >= whole][: len(MARKS)]
    if not drawn:
        return []
    marks = {kind: mark for (kind, _), mark in zip(drawn, MARKS, strict=False)}
    told = [(kind, size) for kind, size in parts if size >= LEAST_SHARE * whole]
    return [_bar(drawn, marks, whole, room), *_legend(told, marks, room)]


def _bar(parts: Sequence[Part], marks: Mapping[MemoryKind, str], whole: int, room: int) -> Text:
    bar = Text("  ")
    sums, drawn = 0, 0
    for kind, size in parts:
        sums += size
        end = max(drawn + 1, round(sums * room / whole))
        bar.append(marks[kind] * (end - drawn), COLOURS[kind] or None)
        drawn = end
    return bar


def _legend(parts: Sequence[Part], marks: Mapping[MemoryKind, str], room: int) -> list[Text]:
    lines: list[Text] = []
    for kind, size in parts:
        words = f"{kind.value} {size_text(size)}"
        item = Text.assemble((f"{marks[kind]} ", COLOURS[kind]), words) if kind in marks else Text(words)
        if lines and lines[-1].cell_len + _GAP + cells(item.plain) <= room + 2:
            lines[-1].append(" " * _GAP).append_text(item)
        else:
            lines.append(Text("  ").append_text(item))
    return lines
