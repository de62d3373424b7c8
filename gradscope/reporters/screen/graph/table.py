"""A table of what groups of nodes add up to: names to the left, right-aligned numbers, bars among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.reporters.screen.bars import LONGEST_BAR, bar
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, clip_end, wrap

_FEWEST_NAME_CELLS: Final = 16
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A row. `numbers` stand below the headings; `remark` stands after the name, where there are none.

    `bar` is a bar's length, 0 to 1, drawn from the name up to the last `measured` numbers. A name that
    `is_source` text is cut at its end, others in the middle.
    """

    name: str
    numbers: tuple[str, ...] = ()
    remark: str = ""
    style: str = ""
    bar: float | None = None
    is_source: bool = False


def table(heads: Sequence[str], lines: Sequence[Line], measured: int, page: Page) -> list[Text]:
    """The rows below their headings. Columns in which nothing stands are left out; the last `measured` are
    those that rows with a bar have too.
    """
    return _Table(heads, lines, measured, page).rows()


class _Table:
    def __init__(self, heads: Sequence[str], lines: Sequence[Line], measured: int, page: Page) -> None:
        self._heads, self._lines, self._page = heads, lines, page
        self._first_measured = len(heads) - measured
        self._widths = self._columns()
        while len(self._widths) > 1 and self._room < _FEWEST_NAME_CELLS:
            self._widths.popitem()
        longest = max((cells(line.name) for line in lines if line.numbers), default=0)
        self._name_width = min(max(longest, _FEWEST_NAME_CELLS), max(self._room, _FEWEST_NAME_CELLS))

    def _columns(self) -> dict[int, int]:
        """The width of each column in which something stands."""
        numbers = [line.numbers for line in self._lines if line.numbers]
        widths = {index: [cells(row[index]) for row in numbers] for index in range(len(self._heads))}
        return {
            index: max(cells(self._heads[index]), *found) for index, found in widths.items() if any(found)
        }

    @property
    def _room(self) -> int:
        """The cells that are left for names."""
        return self._page.width - sum(_GAP + width for width in self._widths.values())

    def rows(self) -> list[Text]:
        """The headings, where there are numbers, and every row."""
        head = " " * self._name_width + self._numbers(self._heads, 0)
        rows = [Text(head, STYLES["faint"])] if self._widths else []
        for line in self._lines:
            if not line.numbers:
                rows += _remark(line, self._page)
                continue
            name, first = self._name(line)
            rows.append(Text(name).append(self._numbers(line.numbers, first), line.style or None))
        return rows

    def _name(self, line: Line) -> tuple[str, int]:
        """The name, or name and bar, in its column; and the column of the first number beside it."""
        if line.bar is None:
            name = (clip_end if line.is_source else clip)(line.name, self._name_width)
            return name + " " * (self._name_width - cells(name)), 0
        beside = [width for index, width in self._widths.items() if index < self._first_measured]
        width = self._name_width + sum(_GAP + each for each in beside)
        text = f"{line.name} {bar(line.bar, max(0, min(LONGEST_BAR, width - cells(line.name) - 2)))}"
        return text + " " * (width - cells(text)), self._first_measured

    def _numbers(self, texts: Sequence[str], first: int) -> str:
        return "".join(
            f"{'':{_GAP}}{texts[index]:>{width}}" for index, width in self._widths.items() if index >= first
        )


def _remark(line: Line, page: Page) -> list[Text]:
    """A row without numbers: the name, and what is said about it, on lines of its own where it is long."""
    name = clip(line.name, page.width)
    if cells(name) + _GAP + cells(line.remark) <= page.width:
        return [Text.assemble(name, " " * _GAP, (line.remark, line.style))]
    indent = len(name) - len(name.lstrip(" ")) + _GAP
    parts = wrap(line.remark, page.width - indent)
    return [Text(name), *(Text(" " * indent + part, line.style) for part in parts)]
