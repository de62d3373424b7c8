"""Graphs of old steps that something still holds, and what holds them.

Births die with their nodes, so epochs with living births are old graphs in memory. Who holds them is
then looked for among the living tensors: several of one line and distinct epochs (a list of losses), or
one whose graph repeats its own line epoch after epoch (a running sum).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope import syntax
from gradscope.facts import RetainedGraph
from gradscope.finding import Location
from gradscope.recorder.creation import Birth, NodeBirths
from gradscope.recorder.names import holder_of
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc
from gradscope.recorder.values import TensorValues

_STEPS = 3
_MOST_SEARCHES = 4


@dataclass(slots=True)
class _Held:
    loc: Loc
    op: str
    tensors: list[Tensor]
    epochs: int
    accumulated: bool


class Retention:
    """Asked at every tick; nearly always answers from a count."""

    def __init__(
        self, now: Now, births: NodeBirths, values: TensorValues, source: Callable[[str], str]
    ) -> None:
        self._now = now
        self._births = births
        self._values = values
        self._source = source
        self._searches = 0
        self._next_search = 0
        self._found: dict[Loc, RetainedGraph] = {}

    def tick(self) -> None:
        """A step has ended."""
        now = self._now.epoch
        if self._searches >= _MOST_SEARCHES or now < self._next_search:
            return
        if len(self._births.living_epochs(now - 1)) < _STEPS:
            return
        self._searches += 1
        self._next_search = now + 4**self._searches
        for held in self._held_tensors():
            if held.loc not in self._found:
                fact = self._fact(held)
                if held.accumulated or fact.holder is not None:
                    self._found[held.loc] = fact

    def _held_tensors(self) -> list[_Held]:
        by_line: dict[Loc, tuple[str, dict[int, Tensor]]] = {}
        held: list[_Held] = []
        for tensor, value in self._values.living():
            if not value.requires_grad or value.leaf is not None or not isinstance(value.loc, Loc):
                continue
            node = tensor.grad_fn
            if node is None:
                continue
            by_line.setdefault(value.loc, (value.op, {}))[1].setdefault(value.epoch, tensor)
            depth = _repeats(node)
            if depth >= _STEPS:
                held.append(_Held(value.loc, value.op, [tensor], depth, True))
        for loc, (op, epochs) in by_line.items():
            old = [epoch for epoch in epochs if epoch < self._now.epoch - 1]
            if len(old) >= _STEPS and not any(h.loc is loc for h in held):
                held.append(_Held(loc, op, list(epochs.values()), len(epochs), False))
        return [one for one in held if not _inside_another(one, held)]

    def _fact(self, held: _Held) -> RetainedGraph:
        made_at = held.loc.location()
        # the newest tensor may also be held by the loop's own variable; the oldest is held by the culprit
        holder, _ = holder_of(held.tensors[0])
        kept_at = made_at if held.accumulated else self._kept_at(holder, made_at)
        return RetainedGraph(
            holder,
            kept_at,
            made_at,
            held.op,
            held.epochs,
            held.accumulated,
            exact=kept_at is not None,
        )

    def _kept_at(self, holder: str | None, made_at: Location | None) -> Location | None:
        """The one statement of the program's files that puts something into the holder."""
        if holder is None or made_at is None:
            return None
        for path in dict.fromkeys((made_at.path, *self._now_paths())):
            lines = syntax.keeping_statements(self._source(path), holder)
            if lines:
                return Location(path, lines[0])
        return None

    def _now_paths(self) -> list[str]:
        return [code.co_filename for code in self._now.step_codes]

    def facts(self) -> tuple[RetainedGraph, ...]:
        """What was found."""
        return tuple(self._found.values())


def _repeats(node: Any, limit: int = 16) -> int:
    """How many epochs of its own line a graph contains, following the edge to the same line."""
    birth = node.metadata.get("traceback_")
    if not isinstance(birth, Birth) or birth.loc.code is None:
        return 0
    epochs = {birth.epoch}
    current = node
    for _ in range(limit):
        following = None
        for parent, _index in current.next_functions:
            other = parent.metadata.get("traceback_") if parent is not None else None
            if isinstance(other, Birth) and other.loc is birth.loc and parent.name() == node.name():
                following = parent
                epochs.add(other.epoch)
        if following is None:
            break
        current = following
    return len(epochs)


def _inside_another(one: _Held, all_held: list[_Held]) -> bool:
    """A tensor that only lives because another held one was computed from it is not the cause."""
    if one.accumulated:
        return False
    nodes = {tensor.grad_fn for tensor in one.tensors}
    for other in all_held:
        if other is one or other.accumulated:
            continue
        for tensor in other.tensors:
            if tensor.grad_fn in nodes and other.loc is one.loc:
                return True
    return False
