"""The memory curve over depth, batch or sequence length: a table, and a plot of both peaks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from rich.text import Text

from gradscope.facts.memory import Sweep, SweepPoint
from gradscope.reporters.memory_words import SWEPT, share_text, size_text
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.plot import Axes, Trace, plot
from gradscope.reporters.screen.words import clip_end

_HEIGHT: Final = 11
_BETWEEN: Final = 40  # marks that a straight line is made of
_WIDEST: Final = 100
_SCALES: Final = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))
_HEADS: Final = ("plain", "every block", "")


def sweep_lines(sweep: Sweep | None, page: Page) -> list[Text]:
    """The table and the plot; empty where there was no sweep."""
    if sweep is None or not sweep.points:
        return []
    return [*_table(sweep, page), *_drawn(sweep, page)]


def _table(sweep: Sweep, page: Page) -> Iterator[Text]:
    what = SWEPT[sweep.kind]
    fake = " (fake tensors)" if sweep.on_fake else ""
    yield Text(clip_end(f"peak by {what}{fake}", page.width), STYLES["heading"])
    width = max(len(what), *(len(f"{point.value:,}") for point in sweep.points))
    saved = page.width >= _WIDEST and any(point.plain_saved is not None for point in sweep.points)
    heads = f"  {what:>{width}}  {_HEADS[0]:>9}  {_HEADS[1]:>11}       "
    yield Text(heads + (f"  {'saved':>9}  {_HEADS[1]:>11}" if saved else ""), STYLES["faint"])
    for point in sweep.points:
        yield _line(point, sweep, width, saved, page)


def _line(point: SweepPoint, sweep: Sweep, width: int, saved: bool, page: Page) -> Text:
    line = Text(f"  {point.value:>{width},}  {_size(point.plain):>9}  {_size(point.checkpointed):>11}")
    known = point.plain is not None and point.checkpointed is not None
    share = share_text(point.checkpointed or 0, point.plain or 0) if known else ""
    line.append(f"  {share:>5}")
    if saved:
        line.append(f"  {_size(point.plain_saved):>9}  {_size(point.checkpointed_saved):>11}")
    if point.failure:
        room = page.width - line.cell_len - 2
        told = page.text(" ".join(point.failure.split()))
        told = told if cells(told) <= room else told.partition(":")[0]
        line.append(f"  {clip_end(told, room)}" if room > 8 else "", STYLES["warning"])
    elif point.value == sweep.current:
        line.append("  <- now", STYLES["fix"])
    return line


def _size(size: int | None) -> str:
    return "-" if size is None else size_text(size)


def _drawn(sweep: Sweep, page: Page) -> list[Text]:
    """Both peaks over the value, each joined by straight lines."""
    most = max(
        (size for point in sweep.points for size in (point.plain, point.checkpointed) if size), default=0
    )
    if len(sweep.points) < 3 or not most:
        return []
    scale, unit = next(each for each in _SCALES if most >= each[0])
    values = [float(point.value) for point in sweep.points]
    plain = [_scaled(point.plain, scale) for point in sweep.points]
    other = [_scaled(point.checkpointed, scale) for point in sweep.points]
    traces = [Trace("plain", values, plain), Trace("every block", *_dense(values, other))]
    axes = Axes(SWEPT[sweep.kind], f"peak in {unit}")
    width = min(page.width, _WIDEST)
    rows = plot(traces, axes, width=width, height=_HEIGHT, encoding=page.encoding)
    return [Text(), *(Text(row) for row in rows)] if rows else []


def _scaled(size: int | None, scale: int) -> float:
    return math.nan if size is None else size / scale


def _dense(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """The curve with points between its own, because only points are marked."""
    pairs = list(zip(x, y, strict=True))
    dense = []
    for (x0, y0), (x1, y1) in pairwise(pairs):
        steps = (index / _BETWEEN for index in range(_BETWEEN))
        dense += [(x0 + (x1 - x0) * step, y0 + (y1 - y0) * step) for step in steps]
    dense += pairs[-1:]
    return [each for each, _ in dense], [each for _, each in dense]
