"""The ways of values and of the program that the facts behind a finding tell, in the order of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from gradscope.facts import (
    Cut,
    ExitedLeaf,
    InplaceConflict,
    MissingGraph,
    NonfiniteBirth,
    NonfiniteForward,
    Recording,
    RetainedGraph,
    SecondBackward,
    SeveredLeaf,
    SilentMutation,
    StaleGradient,
    Step,
)
from gradscope.finding import Finding, Location


@dataclass(frozen=True, slots=True)
class Passage:
    """A place that a value or the program came through, and what happened there; `own` is the finding's."""

    location: Location | None
    text: str
    own: bool = False


Way: TypeAlias = Sequence[Passage]

Told: TypeAlias = Iterator[tuple[str, Callable[[], Way]]]
"""What each fact is about, "" where that has no name, and how to tell its way."""


def ways(finding: Finding, recording: Recording) -> Iterator[Way]:
    """The ways that the facts behind findings of this rule tell, those about its subjects first."""
    subjects = frozenset(finding.subjects)
    told = sorted(_TELLERS.get(finding.code, _nothing)(recording), key=lambda one: one[0] not in subjects)
    return (way() for _, way in told)


def _nothing(recording: Recording) -> Told:
    return iter(())


def _severed(recording: Recording) -> Told:
    facts: Iterable[SeveredLeaf | ExitedLeaf] = (*recording.severed, *recording.exited)
    return ((fact.leaf, partial(_severed_way, fact, recording)) for fact in facts)


def _severed_way(fact: SeveredLeaf | ExitedLeaf, recording: Recording) -> Way:
    first, *others = fact.path or (Step("leaf", None),)
    if first.op not in ("leaf", fact.leaf):
        others.insert(0, first)
    leaf = recording.leaf(fact.leaf)
    made_at = leaf.made_at if leaf is not None else None
    path = [Step(fact.leaf, first.location or made_at), *others]
    return _cut_way(path, fact.cuts, Passage(fact.backward, "backward"))


def _cut_way(path: Sequence[Step], cuts: Sequence[Cut], end: Passage) -> Way:
    """From a leaf to the loss; a cut that is blamed on a block around it is told with that block's line."""
    way = [Passage(step.location, step.op, own=step.cut) for step in path]
    block = cuts[0].block if cuts else None
    if block is not None:
        first = next((index for index, one in enumerate(way) if one.own), len(way))
        way.insert(first, Passage(block, "no graph is made from here on", own=True))
    return (*way, end)


def _missing(recording: Recording) -> Told:
    def way(fact: MissingGraph) -> Way:
        off = Passage(fact.grad_disabled, "gradients are switched off", own=True)
        return (off, *_cut_way(fact.path, fact.cuts, Passage(fact.location, fact.call)))

    return (("", partial(way, fact)) for fact in recording.missing_graphs)


def _conflicts(recording: Recording) -> Told:
    def way(fact: InplaceConflict) -> Way:
        return (
            Passage(fact.saved_at, f"{fact.node} saves it for backward (version {fact.expected_version})"),
            *(Passage(one.location, f"{one.op} (version {one.version})") for one in fact.changes),
            Passage(fact.backward, f"this backward needs version {fact.expected_version}"),
        )

    return ((fact.subject or "", partial(way, fact)) for fact in recording.inplace_conflicts)


def _mutations(recording: Recording) -> Told:
    def way(fact: SilentMutation) -> Way:
        return (
            Passage(fact.saved_at, f"{fact.node} saves it for backward"),
            Passage(fact.location, fact.op),
            Passage(fact.backward, "this backward uses the changed values"),
        )

    return ((fact.subject or "", partial(way, fact)) for fact in recording.silent_mutations)


def _births(recording: Recording) -> Told:
    def way(fact: NonfiniteBirth) -> Way:
        return (
            Passage(fact.backward, "backward starts"),
            Passage(fact.location, fact.node),
            *(Passage(step.location, f"the backward of {step.op}") for step in fact.spread),
        )

    return ((fact.reached[0] if fact.reached else "", partial(way, fact)) for fact in recording.births)


def _forwards(recording: Recording) -> Told:
    def way(fact: NonfiniteForward) -> Way:
        return (
            Passage(fact.location, fact.op),
            *(Passage(step.location, step.op) for step in fact.spread),
            Passage(fact.backward, f"the loss is {fact.loss}"),
        )

    return (("", partial(way, fact)) for fact in recording.nonfinite_forwards)


def _second_backwards(recording: Recording) -> Told:
    def way(fact: SecondBackward) -> Way:
        return (
            Passage(fact.built_by, "the graph is built"),
            Passage(fact.freed_by, "this backward frees the graph"),
            *(Passage(step.location, f"{step.op} carries the old graph on") for step in fact.carriers),
            Passage(fact.location, "this backward runs into it"),
        )

    return ((fact.subject or "", partial(way, fact)) for fact in recording.second_backwards)


def _retained(recording: Recording) -> Told:
    def way(fact: RetainedGraph) -> Way:
        return (Passage(fact.made_at, fact.op or "the tensor is made"), Passage(fact.kept_at, "kept here"))

    return ((fact.holder or "", partial(way, fact)) for fact in recording.retained_graphs)


def _stale(recording: Recording) -> Told:
    def way(fact: StaleGradient) -> Way:
        return (
            Passage(fact.left_by, "this backward leaves gradients"),
            Passage(fact.location, "this backward adds to them"),
            Passage(fact.step, "and this step uses the sum"),
        )

    return (("", partial(way, fact)) for fact in recording.stale_gradients)


_TELLERS: Final[dict[str, Callable[[Recording], Told]]] = {
    "GS101": _missing,
    "GS102": _severed,
    "GS201": _conflicts,
    "GS203": _mutations,
    "GS301": _second_backwards,
    "GS302": _retained,
    "GS401": _births,
    "GS402": _births,
    "GS403": _forwards,
    "GS501": _stale,
}
