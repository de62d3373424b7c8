"""Graphs that a root module's call built and that no backward used: the line, and what such a graph keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import torch

from gradscope.facts.memory import MemoryKind, UnusedGraph
from gradscope.folds.unused_graphs import UnusedFold
from gradscope.recorder.memory.kept_graph import Taken, take_down
from gradscope.recorder.memory.kinds import Kinds
from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.modules import Root
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc
from gradscope.recorder.values import grad_fn, tensors_in

_next_sequence_nr = torch._C._autograd._get_sequence_nr
_MOST_LINES: Final = 1000


class UnusedGraphs:
    """Told of every call of a root module, and of every backward."""

    def __init__(self, now: Now, live: LiveStorages, kinds: Kinds) -> None:
        self._now = now
        self._live = live
        self._kinds = kinds
        self._fold = UnusedFold()
        self._begun: int | None = None
        self._roots: dict[Loc, Root] = {}

    def began(self) -> None:
        """A root module is called. Inside `torch.func` transforms the backward is not seen."""
        hidden = self._now.in_backward or torch._C._functorch.maybe_current_level() is not None
        self._begun = None if hidden else _next_sequence_nr()

    def ended(self, root: Root, output: Any) -> None:
        """The call is over: its graph waits for a backward."""
        begun, self._begun = self._begun, None
        loc = self._now.root_call
        if begun is None or output is None or loc is None or loc.code is None:
            return
        if root.class_name == "ParametrizationList":
            return  # called by the access of a parameter
        made = range(begun, _next_sequence_nr())
        if not made or (loc not in self._roots and len(self._roots) >= _MOST_LINES):
            return
        self._roots[loc] = root
        calls = self._fold.called(loc, made)
        if calls.calls & (calls.calls - 1) == 0:
            size, nodes = self._kept(output, made)
            if size >= calls.size:
                calls.size, calls.nodes = size, nodes

    def _kept(self, output: Any, made: range) -> tuple[int, int]:
        """Bytes and nodes of the graph that a call has built."""
        ends = [node for tensor in _tensors(output) if (node := grad_fn(tensor)) is not None]
        taken = take_down(ends, self._live, within=made)
        self._kinds.saved(taken)
        log = self._live.log
        kept = (log.sizes[each] for each in taken.storages if log.kind(each) is MemoryKind.SAVED)
        return sum(kept), len(taken.nodes)

    def backward(self, taken: Taken | None) -> None:
        """A backward begins; None where its graph is not looked at."""
        self._fold.backward(taken.numbers if taken is not None else None)

    def facts(self, *, is_cut_short: bool) -> tuple[UnusedGraph, ...]:
        """The lines whose graphs nobody used, those that keep most first."""
        return tuple(sorted(self._facts(is_cut_short=is_cut_short), key=lambda one: -one.size))

    def _facts(self, *, is_cut_short: bool) -> Iterator[UnusedGraph]:
        for loc, calls in self._fold.end(is_cut_short=is_cut_short).items():
            location = loc.location() if isinstance(loc, Loc) else None
            if location is not None and isinstance(loc, Loc) and calls.size:
                name = f"{self._roots[loc].name}(...)"
                yield UnusedGraph(location, name, calls.size, calls.nodes, calls.unused)


def _tensors(output: Any) -> list[torch.Tensor]:
    """The tensors that a module returned, also in an object of a class of its own."""
    found = tensors_in(output)
    return found or tensors_in(dict(getattr(output, "__dict__", {})))
