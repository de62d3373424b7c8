"""The profile of a finding: how large gradients are from place to place, as a column of bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from gradscope.finding import Finding
from gradscope.reporters.screen.bars import bar
from gradscope.reporters.screen.page import Page, cells
from gradscope.reporters.screen.words import clip, scientific

Row: TypeAlias = tuple[str, float, float]

_SHOWN: Final = 7
_LONGEST_NAME: Final = 24
_LONGEST_BAR: Final = 20


def profile_rows(finding: Finding) -> list[Row]:
    """The name of each place, how large gradients are there, and how long its bar is, 0..1.

    The input or the first backward comes first; empty where there is no profile. Bars are logarithmic: their
    length is the number of decades above the smallest.
    """
    places, sizes = finding.evidence.get("places"), finding.evidence.get("gradients")
    if not isinstance(places, list) or not isinstance(sizes, list) or len(places) != len(sizes):
        return []
    numbers = [size for size in sizes if isinstance(size, float)]
    if len(numbers) != len(places):
        return []
    logs = [math.log10(size) for size in numbers if 0 < size < math.inf]
    low, high = (math.floor(min(logs)), max(logs)) if logs else (0, 0)
    shares = [
        (math.log10(size) - low) / max(high - low, 1) if 0 < size < math.inf else 0.0 for size in numbers
    ]
    return list(zip(map(str, places), numbers, shares, strict=True))


def profile_text(finding: Finding, page: Page) -> str:
    """One line for each place, those in the middle of many left out; empty where there is no profile."""
    rows = profile_rows(finding)
    return "\n".join(_lines(rows, page)) if rows else ""


def _lines(rows: Sequence[Row], page: Page) -> Iterator[str]:
    shown = _shortened(rows)
    names = [clip(page.text(row[0]), _LONGEST_NAME) if row else "..." for row in shown]
    width = max(map(cells, names))
    for name, row in zip(names, shown, strict=True):
        if row is None:
            yield name
            continue
        yield f"{name}{' ' * (width - cells(name))}  {scientific(row[1]):>7}  {bar(row[2], _LONGEST_BAR)}"


def _shortened(rows: Sequence[Row]) -> list[Row | None]:
    if len(rows) <= _SHOWN:
        return list(rows)
    head, tail = _SHOWN // 2 + 1, _SHOWN // 2
    return [*rows[:head], None, *rows[-tail:]]
