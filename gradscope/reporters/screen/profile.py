"""The profile of a finding: how large gradients are from place to place, as a column of bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.finding import Finding
from gradscope.reporters.screen.bars import bar
from gradscope.reporters.screen.page import Page, cells
from gradscope.reporters.screen.words import clip, scientific

_SHOWN: Final = 7
_LONGEST_NAME: Final = 24
_LONGEST_BAR: Final = 20


def profile_text(finding: Finding, page: Page) -> str:
    """One line for each place, the input or the first backward on top; empty where there is no profile.

    Bars are logarithmic: their length is the number of decades above the smallest.
    """
    places, sizes = finding.evidence.get("places"), finding.evidence.get("gradients")
    if not isinstance(places, list) or not isinstance(sizes, list) or len(places) != len(sizes):
        return ""
    numbers = [size for size in sizes if isinstance(size, float)]
    if len(numbers) != len(places):
        return ""
    rows = [(str(name), size) for name, size in zip(places, numbers, strict=True)]
    return "\n".join(_lines(rows, page))


def _lines(rows: Sequence[tuple[str, float]], page: Page) -> Iterator[str]:
    logs = [math.log10(size) for _, size in rows if 0 < size < math.inf]
    low, high = (math.floor(min(logs)), max(logs)) if logs else (0, 0)
    shown = _shortened(rows)
    names = [clip(page.text(row[0]), _LONGEST_NAME) if row else "..." for row in shown]
    width = max(map(cells, names))
    for name, row in zip(names, shown, strict=True):
        if row is None:
            yield name
            continue
        share = (math.log10(row[1]) - low) / max(high - low, 1) if 0 < row[1] < math.inf else 0.0
        yield f"{name}{' ' * (width - cells(name))}  {scientific(row[1]):>7}  {bar(share, _LONGEST_BAR)}"


def _shortened(rows: Sequence[tuple[str, float]]) -> list[tuple[str, float] | None]:
    if len(rows) <= _SHOWN:
        return list(rows)
    head, tail = _SHOWN // 2 + 1, _SHOWN // 2
    return [*rows[:head], None, *rows[-tail:]]
