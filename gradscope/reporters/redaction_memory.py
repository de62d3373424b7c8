"""`--redact` for the memory of a run: sizes, ops, modules and lines, and nothing of the program's text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gradscope.facts.memory import Block, MemoryUse, Plan, SavedAt, Strategy, Sweep, UnusedGraph
from gradscope.reporters.redaction_texts import HIDDEN_TEXT, Texts, optional


def memory_paths(memory: MemoryUse) -> set[str]:
    """The files that the facts are about."""
    places = [*(peak.location for peak in memory.peaks), *(each.location for each in memory.lines)]
    places += [*(each.location for each in memory.largest), *(each.location for each in memory.unused)]
    return {place.path for place in places if place is not None}


def hidden_memory(memory: MemoryUse, texts: Texts) -> MemoryUse:
    """Bytes, seconds, names of modules, parameters and ops, places. The code to paste is left out: it may
    repeat lines of the program.
    """
    return replace(
        memory,
        peaks=tuple(replace(peak, location=texts.place(peak.location)) for peak in memory.peaks),
        lines=tuple(replace(each, location=texts.location(each.location)) for each in memory.lines),
        largest=tuple(_saved(each, texts) for each in memory.largest),
        unused=tuple(_unused(each, texts) for each in memory.unused),
        blocks=tuple(_block(each, texts) for each in memory.blocks),
        strategies=tuple(_strategy(each, texts) for each in memory.strategies),
        plan=None if memory.plan is None else _plan(memory.plan, texts),
        sweep=None if memory.sweep is None else _sweep(memory.sweep, texts),
        code=None,
        not_compared=_reason(memory.not_compared, texts),
    )


def _saved(each: SavedAt, texts: Texts) -> SavedAt:
    cheaper = optional(texts.unless_quoting, each.cheaper)
    return replace(each, location=texts.place(each.location), cheaper=cheaper or None)


def _unused(each: UnusedGraph, texts: Texts) -> UnusedGraph:
    return replace(each, location=texts.location(each.location), call="")


def _block(block: Block, texts: Texts) -> Block:
    return replace(block, reason=_reason(block.reason, texts))


def _strategy(each: Strategy, texts: Texts) -> Strategy:
    return replace(each, largest_difference=None, failure=_reason(each.failure, texts))


def _plan(plan: Plan, texts: Texts) -> Plan:
    strategy = None if plan.strategy is None else _strategy(plan.strategy, texts)
    return replace(plan, strategy=strategy, assumptions=_kept(plan.assumptions, texts))


def _sweep(sweep: Sweep, texts: Texts) -> Sweep:
    points = tuple(replace(point, failure=_reason(point.failure, texts)) for point in sweep.points)
    return replace(sweep, points=points)


def _kept(sentences: Iterable[str], texts: Texts) -> tuple[str, ...]:
    return tuple(filter(None, map(texts.unless_quoting, sentences)))


def _reason(text: str | None, texts: Texts) -> str | None:
    """The reason without an exception's message, which stands after a colon; never empty where it was not."""
    if text is None:
        return None
    return texts.unless_quoting(text.partition(":")[0]) or HIDDEN_TEXT
