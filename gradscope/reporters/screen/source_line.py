"""One line of source as it is printed: tabs expanded, wide characters measured, long lines windowed."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from gradscope.reporters.screen.page import Page, cells

_TAB: Final = 4
CUT: Final = "..."


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A printable line and where its characters are.

    `offsets[i]` is the cell in which the i-th character of the raw line begins; there is one more
    offset than characters, the line's length in cells. `pieces` are the characters as printed.
    """

    pieces: tuple[str, ...]
    offsets: tuple[int, ...]

    @property
    def text(self) -> str:
        """The line as printed."""
        return "".join(self.pieces)

    @property
    def length(self) -> int:
        """The line's length in cells."""
        return self.offsets[-1]

    @property
    def indent(self) -> int:
        """How many cells of blanks it begins with; its whole length where it is blank."""
        text = self.text
        return len(text) - len(text.lstrip(" "))

    def cell(self, column: int) -> int:
        """The cell of a 1-based column; columns past the end are at the end."""
        return self.offsets[min(max(column - 1, 0), len(self.pieces))]

    def window(self, first: int, last: int) -> tuple[str, int]:
        """The cells from `first` up to `last`, cut ends replaced by `...`; and the cell the text begins at.

        A wide character that straddles an edge is left out and its half filled with a blank.
        """
        last = min(last, self.length)
        left = first + len(CUT) if first > 0 else first
        right = last - len(CUT) if last < self.length else last
        begin = bisect_left(self.offsets, left)
        end = max(begin, bisect_left(self.offsets, right + 1) - 1)
        inner = "".join(self.pieces[begin:end])
        padded = " " * (self.offsets[begin] - left) + inner + " " * (right - self.offsets[end])
        return (CUT if first > 0 else "") + padded + (CUT if last < self.length else ""), first


def source_line(raw: str, page: Page) -> SourceLine:
    """A raw line without its newline, printable. Tabs go to the next multiple of four cells."""
    pieces: list[str] = []
    offsets = [0]
    for character in raw.rstrip():
        here = offsets[-1]
        piece = " " * (_TAB - here % _TAB) if character == "\t" else page.text(character)
        pieces.append(piece)
        offsets.append(here + cells(piece))
    return SourceLine(tuple(pieces), tuple(offsets))


def fit(line: SourceLine, room: int, spans: list[tuple[int, int]]) -> tuple[str, int]:
    """The part of a line that fits into `room` cells around the first of `spans`, and its first cell.

    As many of the other spans as fit are kept in view, those that come first in the list preferred.
    """
    if line.length <= room:
        return line.text, 0
    low, high = spans[0] if spans else (0, 0)
    free = room - 2 * len(CUT)
    for start, end in spans[1:]:
        wider = (min(low, start), max(high, end))
        if wider[1] - wider[0] <= free:
            low, high = wider
    high = min(high, low + free)
    if high <= room - len(CUT):
        return line.window(0, room)
    first = max(0, low - len(CUT) - (free - (high - low)) // 2)
    first = min(first, line.length - room)
    return line.window(first, first + room)
