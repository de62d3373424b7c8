"""What became of values that left torch as numbers, by the names in the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradscope import syntax
from gradscope.facts import Cut, CutKind, ExitedLeaf, MissingGraph, Recording, SeveredLeaf
from gradscope.finding import Location


def choosing_leaves(recording: Recording) -> Iterator[SeveredLeaf]:
    """Leaves that no loss depends on by any op, and whose value, as a number, still shapes it.

    It decides what is computed (a branch, an index, how often a loop runs), or fills a tensor whose
    constructor torch does not show. Not those whose value also went on inside torch: that way tells more.
    """
    known = {fact.leaf for fact in recording.severed}
    for fact in recording.exited:
        if fact.leaf in known:
            continue
        cuts = _cuts_of(recording, fact)
        if cuts:
            known.add(fact.leaf)
            yield SeveredLeaf(fact.leaf, cuts, fact.path, fact.backward)


def left_by_names(recording: Recording, fact: MissingGraph) -> MissingGraph:
    """The fact with the cut of a value that, by its names, went from torch into what is differentiated."""
    for exited in recording.exited:
        cuts = exited.cuts if _flows_into(recording, exited, fact) else _cuts_of(recording, exited)
        if cuts and cuts[0].kind is not CutKind.CHOICE:
            return replace(fact, cuts=tuple(replace(cut, certain=False) for cut in cuts), path=exited.path)
    return fact


def _flows_into(recording: Recording, exited: ExitedLeaf, fact: MissingGraph) -> bool:
    left, where = (exited.exits[0] if exited.exits else None), fact.location
    if where is None or left is None or left.path != where.path or left.line == where.line:
        return False
    return syntax.flows_between(_text(recording, where), left.line, where.line)


def _cuts_of(recording: Recording, fact: ExitedLeaf) -> tuple[Cut, ...]:
    """The cuts of a leaf whose number still shapes the loss, the telling one first; else ()."""
    for place in fact.exits:
        text = _text(recording, place)
        if syntax.chooses(text, place.line):
            *before, last = fact.cuts
            return (replace(last, kind=CutKind.CHOICE, certain=False), *before)
        if syntax.fills_tensor(text, place.line):
            return tuple(replace(cut, certain=False) for cut in fact.cuts)
        if not syntax.returns(text, place.line):
            return ()
    return ()


def _text(recording: Recording, place: Location) -> str:
    return "\n".join(recording.sources.get(place.path, ()))
