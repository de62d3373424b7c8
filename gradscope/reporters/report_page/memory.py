"""What the page of a gate is told of a memory target: tables of what is on the page of `gradscope memory`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.facts import Recording
from gradscope.facts.memory import MemoryUse
from gradscope.reporters.memory_tree import ModuleRow, module_tree
from gradscope.reporters.memory_words import kind_sizes, share_text, size_text, strategy_name, when
from gradscope.reporters.report_page.shapes import Table
from gradscope.reporters.report_page.texts import place_text
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import group_names

_DEEPEST = 3  # levels of modules
_NAMES = 3


def memory_tables(recording: Recording, page: Page) -> list[tuple[str, Table]]:
    """The peak and its parts, strategies, modules, lines and tensors."""
    memory = recording.memory
    if memory is None:
        return []
    found = [*_peak(memory, recording, page), *_strategies(memory), *_modules(memory, page)]
    return [*found, *_lines(memory, recording, page), *_tensors(memory, page)]


def _peak(memory: MemoryUse, recording: Recording, page: Page) -> Iterator[tuple[str, Table]]:
    peak = memory.peak
    if peak is None:
        return
    where = filter(None, (peak.module or "", place_text(peak.location, page), peak.op or ""))
    rows = [
        (kind.value, size_text(size), share_text(size, peak.size)) for kind, size in kind_sizes(peak.kinds)
    ]
    title = f"Peak: {size_text(peak.size)} {when(peak, recording.steps)}"
    yield (
        page.text(", ".join([title, *where])),
        Table(heads=("what", "bytes", "share"), rows=rows, numeric=(1, 2)),
    )


def _strategies(memory: MemoryUse) -> Iterator[tuple[str, Table]]:
    budget = memory.plan.budget if memory.plan is not None else None
    rows = [
        (
            strategy_name(each, budget),
            "" if each.peak is None else size_text(each.peak),
            "" if each.saved is None else size_text(each.saved),
            "" if each.time_ratio is None else f"{each.time_ratio:.2f}x",
            each.failure or each.gradients.value,
        )
        for each in memory.strategies
    ]
    heads = ("strategy", "peak", "saved", "step", "gradients")
    if rows:
        yield "Checkpointing", Table(heads=heads, rows=rows, numeric=(1, 2, 3))


def _modules(memory: MemoryUse, page: Page) -> Iterator[tuple[str, Table]]:
    roots = module_tree(memory.modules)
    whole = sum(row.saved for row in roots)
    rows = [
        (
            "\u2003" * depth + page.text(row.name),
            page.text(row.class_name),
            size_text(row.saved),
            share_text(row.saved, whole),
        )
        for row, depth in _flat(roots, 0)
    ]
    if rows and whole:
        yield (
            "Saved for backward, by module",
            Table(heads=("module", "class", "saved", "share"), rows=rows, numeric=(2, 3), code=(0,)),
        )


def _flat(rows: Sequence[ModuleRow], depth: int) -> Iterator[tuple[ModuleRow, int]]:
    for row in rows:
        yield row, depth
        if depth + 1 < _DEEPEST:
            yield from _flat(row.below, depth + 1)


def _lines(memory: MemoryUse, recording: Recording, page: Page) -> Iterator[tuple[str, Table]]:
    rows = [
        (
            place_text(each.location, page),
            page.text(recording.line(each.location).strip()),
            size_text(each.saved),
            f"{each.tensors:,}",
        )
        for each in memory.lines
    ]
    if rows:
        heads = ("line", "source", "saved", "tensors")
        yield "Saved for backward, by line", Table(heads=heads, rows=rows, numeric=(2, 3), code=(0, 1))


def _tensors(memory: MemoryUse, page: Page) -> Iterator[tuple[str, Table]]:
    rows = [
        (
            f"{each.count:,} x " * (each.count > 1) + page.text(f"{each.dtype} {tuple(each.shape)}"),
            page.text(f"{each.name} of {each.op}"),
            place_text(each.location, page),
            page.text(group_names(each.modules, _NAMES)),
            size_text(each.size),
        )
        for each in memory.largest
    ]
    if rows:
        heads = ("tensor", "kept by", "line", "modules", "bytes")
        yield "Largest saved tensors", Table(heads=heads, rows=rows, numeric=(4,), code=(0, 2))
