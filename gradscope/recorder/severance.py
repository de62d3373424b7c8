"""Leaves that losses depend on without a gradient: through cuts, by a number in Python, by a term."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor

from gradscope.facts import Cut, ExitedLeaf, GradWithoutGraph, SeveredLeaf, Step
from gradscope.folds.dead_terms import dead_terms
from gradscope.folds.flow import Value
from gradscope.folds.places import Place
from gradscope.recorder.leaves import LeafEntry, Leaves
from gradscope.recorder.places import Loc
from gradscope.recorder.values import TensorValues

_MOST_SEVERED = 65536  # leaves and lines of backwards
_MOST_EXITED = 256  # leaves and places of exits
_LOOKS_AT_AN_EXIT = 3

Exit: TypeAlias = tuple[Value, tuple[Loc, ...]]  # what left torch, where, and inside which calls


class Severance:
    """Asks the flow of values at a backward, and keeps one answer for each leaf."""

    def __init__(self, values: TensorValues, leaves: Leaves, exits: Callable[[], Sequence[Exit]]) -> None:
        self._values = values
        self._leaves = leaves
        self._exits = exits
        self._severed: dict[tuple[int, Loc], tuple[LeafEntry, tuple[Value, ...], tuple[Value, ...]]] = {}
        self._exited: dict[tuple[int, Loc], tuple[LeafEntry, ExitedLeaf]] = {}
        self._seen: Counter[Loc] = Counter()
        self._dead_terms: dict[int, tuple[Value, Value, Loc, int]] = {}

    def look(
        self,
        roots: Sequence[Value],
        reached: Collection[int],
        trained: Container[int],
        received: Container[int],
        backward: Loc,
    ) -> None:
        """A backward begins: `reached` and `trained` are ids of leaves, `received` entry orders."""
        for entry, cuts, path in self._behind_cuts(roots, reached):
            known = self._severed.get((entry.order, backward))
            if len(self._severed) < _MOST_SEVERED if known is None else len(known[1]) > len(cuts):
                self._severed[entry.order, backward] = (entry, cuts, path)
        exits = self._exits()
        if exits and len(self._exited) < _MOST_EXITED and self._leaves.any_waiting(reached, received):
            for value, places in exits:
                self._look_at_exit(value, places, reached, backward)
        for call, joined in dead_terms(roots, trained.__contains__):
            earlier = self._dead_terms.get(id(call.loc))
            self._dead_terms[id(call.loc)] = (call, joined, backward, 1 + (earlier[3] if earlier else 0))

    def _look_at_exit(
        self, value: Value, places: tuple[Loc, ...], reached: Collection[int], backward: Loc
    ) -> None:
        """A value left torch in this step: parameters behind it that have no gradient so far."""
        self._seen[places[0]] += 1
        if self._seen[places[0]] > _LOOKS_AT_AN_EXIT:
            return
        for entry, cuts, path in self._behind_cuts([value], reached):
            if (entry.order, places[0]) not in self._exited:
                lines = tuple(where for loc in places if (where := loc.location()) is not None)
                fact = ExitedLeaf(
                    entry.name, _cut_facts(cuts, path), _steps(path), lines, backward.location()
                )
                self._exited[entry.order, places[0]] = (entry, fact)

    def _behind_cuts(
        self, roots: Sequence[Value], reached: Collection[int]
    ) -> list[tuple[LeafEntry, tuple[Value, ...], tuple[Value, ...]]]:
        found = []
        for leaf, (cuts, path) in self._values.flow.severed(roots, reached.__contains__).items():
            tensor: Tensor | None = self._values.leaf_tensor(leaf)
            if tensor is not None and tensor.requires_grad:
                found.append((self._leaves.entry(tensor), cuts, path))
        return found

    # ------------------------------------------------------------ facts

    def severed(self, received: Container[int], unfed: Mapping[str, Place | None]) -> tuple[SeveredLeaf, ...]:
        """Leaves that losses depend on only through cuts, and that no backward ever reached.

        Or whose optimizer never had what a backward gave them: that came from another loss. `unfed` has
        the names of the leaves of such optimizers, and the backward after which each stepped with nothing:
        of several losses, that one was meant for them.
        """
        chosen: dict[int, tuple[LeafEntry, tuple[Value, ...], tuple[Value, ...], Loc]] = {}
        for (order, loc), (entry, cuts, path) in self._severed.items():
            meant = unfed.get(entry.name)
            if order in received and loc is not meant:
                continue
            known = chosen.get(order)
            if known is None or (loc is not meant, len(cuts)) < (known[3] is not meant, len(known[1])):
                chosen[order] = (entry, cuts, path, loc)
        return tuple(
            SeveredLeaf(
                entry.name,
                _cut_facts(cuts, path),
                _steps(path),
                loc.location(),
                tuple(self._leaves.name_of(v.leaf) for v in path[1:] if v.leaf is not None),
                entry.order in received,
            )
            for entry, cuts, path, loc in chosen.values()
        )

    def exited(self, received: Container[int]) -> tuple[ExitedLeaf, ...]:
        """Leaves whose values left torch and that no backward ever reached."""
        return tuple(
            dataclasses.replace(fact, leaf=entry.name)
            for entry, fact in self._exited.values()
            if entry.order not in received
        )

    def grads_without_graph(self) -> tuple[GradWithoutGraph, ...]:
        """Terms of a loss that come from autograd.grad without create_graph."""
        return tuple(
            GradWithoutGraph(call.loc.location(), joined.loc.location(), loc.location(), (), count)
            for call, joined, loc, count in self._dead_terms.values()
        )


def _cut_facts(cuts: Sequence[Value], path: Sequence[Value]) -> tuple[Cut, ...]:
    """The cuts as facts; none is certain where a part of the way was guessed."""
    facts = tuple(value.as_cut() for value in cuts)
    if any(value.guessed for value in path):
        facts = tuple(dataclasses.replace(fact, certain=False) for fact in facts)
    return facts


def _steps(path: Sequence[Value]) -> tuple[Step, ...]:
    return tuple(value.step() for value in path)
