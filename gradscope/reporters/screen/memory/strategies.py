"""The ways of checkpointing side by side: what each costs and what it saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.facts.memory import Gradients, MemoryUse, Strategy, StrategyKind
from gradscope.reporters.memory_words import share_text, size_text, strategy_name
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip_end, group_names

GRADIENTS: Final = {
    Gradients.REFERENCE: ("reference", ""),
    Gradients.IDENTICAL: ("identical", STYLES["good"]),
    Gradients.DIFFERENT: ("differ", STYLES["error"]),
    Gradients.NOT_REPRODUCIBLE: ("vary", STYLES["warning"]),
    Gradients.NOT_COMPARED: ("", ""),
}
_GAP: Final = "  "
_HEAD: Final = "checkpointing"

Words = tuple[str, str]  # text, style


@dataclass(frozen=True, slots=True)
class _Column:
    """The texts of a column from the top row on. Those of most `luxury` are the first to be left out."""

    head: str
    texts: tuple[str, ...]
    luxury: int = 0

    @property
    def width(self) -> int:
        """Its cells, with the gap before it; 0 where it is empty."""
        longest = max(map(cells, self.texts))
        return len(_GAP) + max(longest, cells(self.head)) if longest else 0


def strategy_lines(memory: MemoryUse, page: Page) -> list[Text]:
    """The table; what else is to be said about its rows are `strategy_rows`."""
    rows = memory.strategies
    if not rows:
        return []
    names = [_name(each, memory) for each in rows]
    gradients = [GRADIENTS[each.gradients] for each in rows]
    marks = [_mark(each, memory) for each in rows]
    width = max(len(_HEAD) if page.width >= 100 else 0, *map(cells, names))
    beside = max(len(text) for text, _ in gradients)
    beside = max(beside, len("gradients")) if beside else 0
    taken = width + (len(_GAP) + beside if beside else 0) + max(len(_GAP + text) for text, _ in marks)
    columns = _fitting(_columns(rows), page.width - taken)
    head = Text(f"{clip_end(_HEAD, width):{width}}", STYLES["heading"])
    for column in columns:
        head.append(f"{column.head:>{column.width}}", STYLES["faint"])
    lines = [head.append(f"{_GAP}gradients", STYLES["faint"]) if beside else head]
    for index, each in enumerate(rows):
        line = Text(f"{names[index]:{width}}")
        if each.failure is not None:
            line.append(_GAP + clip_end(_shortly(each.failure, page), page.width - width - len(_GAP)))
            line.stylize(STYLES["warning"], width)
        else:
            _fill(line, [f"{column.texts[index]:>{column.width}}" for column in columns])
            _fill(line, [_GAP if beside else "", (f"{gradients[index][0]:{beside}}", gradients[index][1])])
            _fill(line, [_GAP if marks[index][0] else "", marks[index]])
        lines.append(line)
    return lines


def _fill(line: Text, parts: Sequence[str | Words]) -> None:
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        line.append(text, style or None)


def _name(each: Strategy, memory: MemoryUse) -> str:
    return strategy_name(each, memory.plan.budget if memory.plan is not None else None)


def _shortly(failure: str, page: Page) -> str:
    return page.text(" ".join(failure.partition(":")[0].split()))


def _columns(rows: Sequence[Strategy]) -> list[_Column]:
    """All columns of numbers, with shares of the sizes without checkpointing."""
    plain = next((each for each in rows if each.kind is StrategyKind.NONE), None)
    peak, saved = (plain.peak, plain.saved) if plain is not None else (None, None)

    def shares(sizes: Sequence[int | None], whole: int | None) -> tuple[str, ...]:
        pairs = zip(rows, sizes, strict=True)
        return tuple(
            "" if size is None or whole is None or each is plain else share_text(size, whole)
            for each, size in pairs
        )

    peaks, kept = [each.peak for each in rows], [each.saved for each in rows]
    times = tuple("" if each.time_ratio is None else f"{each.time_ratio:.2f}x" for each in rows)
    again = tuple("" if each.recomputed is None else f"{100 * each.recomputed:.0f}%" for each in rows)
    return [
        _Column("peak", tuple(map(_size, peaks))),
        _Column("", shares(peaks, peak), 3),
        _Column("saved", tuple(map(_size, kept)), 1),
        _Column("", shares(kept, saved), 5),
        _Column("step", times),
        _Column("recomputed", again, 4),
        _Column("redone", again, 2),  # the same in fewer cells
    ]


def _size(size: int | None) -> str:
    return "" if size is None else size_text(size)


def _fitting(columns: Sequence[_Column], room: int) -> list[_Column]:
    """As many of the columns as there is room for."""
    shown: list[_Column] = []
    for most in range(max(column.luxury for column in columns), -1, -1):
        shown = [column for column in columns if column.width and column.luxury <= most]
        if any(column.head == "recomputed" for column in shown):
            shown = [column for column in shown if column.head != "redone"]
        if sum(column.width for column in shown) <= room:
            break
    return shown


def _mark(each: Strategy, memory: MemoryUse) -> Words:
    """`<- fits`, or that the code below applies it."""
    if each.kind is StrategyKind.PLAN and memory.plan is not None and each.peak is not None:
        fits = each.peak <= memory.plan.budget
        return ("<- fits", STYLES["fix"]) if fits else ("<- over", STYLES["error"])
    is_advised = each.kind is memory.recommended and each.kind is not StrategyKind.NONE
    return ("<- code", STYLES["fix"]) if is_advised and memory.code is not None else ("", "")


def strategy_rows(memory: MemoryUse) -> Iterator[tuple[str, str]]:
    """Which gradients differ, why none can be compared, and failures that are too long for the table."""
    for each in memory.strategies:
        if each.gradients is Gradients.DIFFERENT:
            difference = each.largest_difference
            by = f" by up to {difference:.1e} of their size" if difference is not None else ""
            names = group_names(each.different, 2) or "some parameters"
            yield "differ", f"{_name(each, memory)}: the gradients of {names}{by}"
        if each.failure is not None and ":" in each.failure:
            yield "failed", f"{_name(each, memory)}: {each.failure}"
    if any(each.gradients is Gradients.NOT_REPRODUCIBLE for each in memory.strategies):
        yield "vary", "two plain steps already differ, so gradients cannot be compared"
    if memory.is_fake:
        yield "fake", "nothing was computed: step is an estimate, by operations and bytes moved"
