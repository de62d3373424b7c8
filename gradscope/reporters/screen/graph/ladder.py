"""Rows that hang on rails, with columns to their right: a graph as a terminal prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, clip_end, wrap

_GAP: Final = 2
_FEWEST_CELLS: Final = 26  # of what a row is about, however wide the columns beside it
_NARROWED: Final = (
    (2, 16),
    (0, 14),
    (3, 14),
    (2, 11),
    (0, 8),
)  # which columns give way, and down to what width
_DISPENSABLE: Final = (2, 0, 3)  # which are left out on the narrowest terminals
_NUMBERS: Final = 2  # of the columns are right-aligned


@dataclass(frozen=True, slots=True)
class LadderRow:
    """A row. `lead` is drawn before its text, `under` before its `remarks`, each on a line of its own.

    `columns` are a size and a gradient, right-aligned and in `style`, an op and a place; () for a row that
    has none.
    """

    lead: str
    under: str
    what: str
    columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    style: str = ""


def ladder(heads: Sequence[str], rows: Sequence[LadderRow], page: Page) -> Iterator[Text]:
    """The rows below their headings. Columns in which nothing stands are left out."""
    filled = [row for row in rows if row.columns]
    longest = max((cells(row.lead) + cells(row.what) for row in filled), default=0)
    widths = _widths(heads, filled, min(longest, _FEWEST_CELLS), page)
    room = page.width - sum(_GAP + width for width in widths.values())
    left = min(longest, max(room, 0))
    yield Text(" " * left + _columns(heads, widths), STYLES["faint"])
    for row in rows:
        what = clip_end(row.what, max(0, (left if row.columns else page.width) - cells(row.lead)))
        line = Text.assemble((row.lead, STYLES["gutter"]), what)
        if row.columns:
            line.append(" " * max(0, left - line.cell_len))
            line.append(_columns(row.columns[:_NUMBERS], widths), row.style or None)
            line.append(_columns(row.columns, widths, _NUMBERS), STYLES["faint"])
        yield line
        for remark in row.remarks:
            for part in wrap(remark, max(page.width - cells(row.under), _FEWEST_CELLS)):
                yield Text.assemble((row.under, STYLES["gutter"]), (part, STYLES["faint"]))


def _widths(heads: Sequence[str], rows: Sequence[LadderRow], fewest: int, page: Page) -> dict[int, int]:
    """The width of each column in which something stands; they give way to the text beside them."""
    widths: dict[int, int] = {}

    def lacking() -> int:
        return fewest - (page.width - sum(_GAP + width for width in widths.values()))

    for index, head in enumerate(heads):
        found = max((cells(row.columns[index]) for row in rows), default=0)
        if found:
            widths[index] = max(found, cells(head))
    for index, least in _NARROWED:
        if lacking() > 0 and index in widths:
            widths[index] = max(min(least, widths[index]), widths[index] - lacking())
    for index in _DISPENSABLE:
        if lacking() > 0:
            widths.pop(index, None)
    return widths


def _columns(texts: Sequence[str], widths: dict[int, int], first: int = 0) -> str:
    found = ""
    for index, width in widths.items():
        if first <= index < len(texts):
            # of a place the end counts: its line
            text = (clip_end if index < len(texts) - 1 else clip)(texts[index], width)
            blank = " " * (width - cells(text))
            found += " " * _GAP + (blank + text if index < _NUMBERS else text + blank)
    return found
