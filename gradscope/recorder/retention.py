"""Graphs of old steps that something still holds, and what holds them.

Births die with their nodes, so epochs with living births are old graphs in memory. Who holds them is
then looked for among the living tensors: several of one line and distinct epochs (a list of losses), or
one whose graph repeats its own line epoch after epoch (a running sum).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope import syntax
from gradscope.facts import RetainedGraph
from gradscope.finding import Location
from gradscope.recorder.creation import Birth, NodeBirths
from gradscope.recorder.holders import Holder, holders_of
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc
from gradscope.recorder.values import TensorValues

_STEPS = 3
_MOST_SEARCHES = 4
_MOST_TENSORS = 8  # whose holder is looked for at a time


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
        self._threads: set[int] = set()
        self._next_search = 0
        self._found: dict[Loc, RetainedGraph] = {}

    def tick(self) -> None:
        """A step has ended."""
        self._threads.add(threading.get_ident())
        if len(self._threads) > 1:
            return  # each thread's steps move the epoch on for all: one graph may span many epochs
        now = self._now.epoch
        if self._searches >= _MOST_SEARCHES or now < self._next_search:
            return
        if len(self._births.living_epochs(now - 1)) < _STEPS:
            return
        self._searches += 1
        self._next_search = now + 4**self._searches
        found = [(held, self._fact(held)) for held in self._held_tensors() if held.loc not in self._found]
        named = [held for held, fact in found if fact.holder is not None]
        for held, fact in found:
            if fact.holder is not None or (held.accumulated and not _within(held, named)):
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
                held.append(_Held(loc, op, [epochs[epoch] for epoch in sorted(old)], len(epochs), False))
        return [one for one in held if not _inside_another(one, held)]

    def _fact(self, held: _Held) -> RetainedGraph:
        made_at = held.loc.location()
        if held.accumulated:
            holder, kept_at = self._running(held, made_at), made_at
        else:
            holder, kept_at = self._container(held, made_at)
        return RetainedGraph(
            holder,
            kept_at,
            made_at,
            held.op,
            held.epochs,
            held.accumulated,
            exact=kept_at is not None,
        )

    def _running(self, held: _Held, made_at: Location | None) -> str | None:
        """The name of a running sum: the one that its own statement assigns, among those that hold it."""
        names = [holder.name for holder in holders_of(held.tensors)]
        source = self._source(made_at.path) if made_at is not None else ""
        assigned = syntax.assigned_names(source, made_at.line) if made_at is not None else ()
        last = {name.rpartition(".")[2] for name in assigned}
        return next((name for name in names if name.rpartition(".")[2] in last), names[0] if names else None)

    def _container(self, held: _Held, made_at: Location | None) -> tuple[str | None, Location | None]:
        """What holds several of the tensors at once, and the statement that puts them there.

        Tensors with a holder each (the last loss of every thread or model) are not kept by anything
        that grows. What can grow goes before what cannot: a loop's own tuple also holds its items.
        """
        shared = [one for one in holders_of(held.tensors[:_MOST_TENSORS]) if one.reached >= _STEPS]
        shared.sort(key=lambda one: not one.growing)
        for holder in shared:
            kept_at = self._kept_at(holder, made_at)
            if kept_at is not None:
                return holder.name, kept_at
        return (shared[0].name if shared else None), None

    def _kept_at(self, holder: Holder, made_at: Location | None) -> Location | None:
        """The first statement of the program's files that puts something into the holder."""
        paths = (holder.path, made_at.path if made_at is not None else None, *self._now_paths())
        for path in dict.fromkeys(path for path in paths if path is not None):
            lines = syntax.keeping_statements(self._source(path), holder.name)
            if lines:
                return Location(path, lines[0])
        return None

    def _now_paths(self) -> list[str]:
        return [code.co_filename for code in self._now.step_codes]

    def facts(self) -> tuple[RetainedGraph, ...]:
        """What was found."""
        return tuple(self._found.values()) if len(self._threads) <= 1 else ()


def _repeats(node: Any, limit: int = 16) -> int:
    """How many epochs of its own line a graph contains, following the edges within that line.

    A running sum is one node a step, a moving average several (`0.9 * mean + 0.1 * loss`).
    """
    birth = node.metadata.get("traceback_")
    if not isinstance(birth, Birth) or birth.loc.code is None:
        return 0
    epochs = {birth.epoch}
    seen, stack = {node}, [node]
    while stack and len(epochs) < limit and len(seen) < 4 * limit:
        for parent, _index in stack.pop().next_functions:
            other = parent.metadata.get("traceback_") if parent is not None else None
            if isinstance(other, Birth) and parent not in seen and _same_line(other.loc, birth.loc):
                seen.add(parent)
                stack.append(parent)
                epochs.add(other.epoch)
    return len(epochs)


def _same_line(one: Loc, other: Loc) -> bool:
    if one is other:
        return True
    if one.code is not other.code:
        return False
    here, there = one.location(), other.location()
    return here is not None and there is not None and here.line == there.line


def _within(one: _Held, others: list[_Held], limit: int = 500) -> bool:
    """Whether a tensor that nothing names belongs to the graph of one that is held: it lives through that."""
    wanted = {tensor.grad_fn for tensor in one.tensors}
    stack = [tensor.grad_fn for other in others for tensor in other.tensors]
    seen = set(stack)
    while stack and len(seen) < limit:
        node = stack.pop()
        if node in wanted:
            return True
        for parent, _ in node.next_functions if node is not None else ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return False


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
