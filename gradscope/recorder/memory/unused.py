"""Graphs that a root module's call built and that no backward used: the line, and what such a graph keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import torch
from torch import Tensor

from gradscope.facts.memory import MemoryKind, UnusedGraph
from gradscope.folds.unused_graphs import UnusedFold
from gradscope.recorder.graphs.order import in_forward_order
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
        self._left: tuple[UnusedGraph, ...] = ()
        self._ran_backward = False

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
        return self._size(
            [node for tensor in _tensors(output) if (node := grad_fn(tensor)) is not None], made
        )

    def _size(self, ends: list[Any], within: range | None) -> tuple[int, int]:
        taken = take_down(ends, self._live, within)
        self._kinds.saved(taken)
        log = self._live.log
        kept = (log.sizes[each] for each in taken.storages if log.kind(each) is MemoryKind.SAVED)
        return sum(kept), len(taken.nodes)

    def backward(self, taken: Taken | None) -> None:
        """A backward begins; None where its graph is not looked at."""
        self._ran_backward = True
        self._fold.backward(taken.numbers if taken is not None else None)

    def end(self, results: Iterable[tuple[Tensor, str, Loc]]) -> None:
        """The program is over. `results` are the tensors that live on, with the op and line of each.

        Where no module was called and no backward ran, the graphs that end in them are all that can be told.
        """
        if self._ran_backward or self._roots:
            return
        ends = {node: (op, loc) for tensor, op, loc in results if (node := grad_fn(tensor)) is not None}
        inner = {target for node in in_forward_order(ends)[0] for target, _ in node.next_functions}
        found: dict[Loc, UnusedGraph] = {}
        for node, (op, loc) in ends.items():
            location = loc.location()
            if node in inner or location is None:
                continue
            size, nodes = self._size([node], None)
            known = found.get(loc)
            count = known.count + 1 if known is not None else 1
            if known is not None and known.size > size:
                size, nodes = known.size, known.nodes
            found[loc] = UnusedGraph(location, f"{op}(...)", size, nodes, count)
        self._left = tuple(one for one in found.values() if one.size)

    def facts(self, *, is_cut_short: bool) -> tuple[UnusedGraph, ...]:
        """The lines whose graphs nobody used, those that keep most first."""
        found = [*self._facts(is_cut_short=is_cut_short), *(() if is_cut_short else self._left)]
        return tuple(sorted(found, key=lambda one: -one.size))

    def _facts(self, *, is_cut_short: bool) -> Iterator[UnusedGraph]:
        for loc, calls in self._fold.end(is_cut_short=is_cut_short).items():
            location = loc.location() if isinstance(loc, Loc) else None
            if location is not None and isinstance(loc, Loc) and calls.size:
                name = f"{self._roots[loc].name}(...)"
                yield UnusedGraph(location, name, calls.size, calls.nodes, calls.unused)


def _tensors(output: Any) -> list[Tensor]:
    """The tensors that a module returned, also in an object of a class of its own."""
    found = tensors_in(output)
    return found or tensors_in(dict(getattr(output, "__dict__", {})))
