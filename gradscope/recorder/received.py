"""What every leaf of a watched backward pass received, told from the visits to its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradscope.folds.visits import Content, HookSite, Received, Visit
from gradscope.recorder.pass_graph import PassGraph

NONFINITE = (Content.NAN, Content.INF)


def what_arrived(
    graph: PassGraph,
    visits: Sequence[Visit],
    edges: Counter[int],
    odd_leaves: Mapping[int, Content],
    leaf_hooks: Mapping[int, HookSite],
) -> dict[int, Received]:
    """What each leaf got, by node index; with `autograd.grad`, what each of its inputs got.

    `odd_leaves` are those whose gradient has no element but zeros, or a NaN or Inf; `leaf_hooks` names the
    hook that made it so. `edges` counts the edges into every node.
    """
    given: dict[int, list[Content]] = {}
    for visit in visits:
        for target, what in zip(visit.targets, visit.outgoing, strict=True):
            if target is not None and what is not None:
                given.setdefault(target, []).append(what)
    received = {
        index: Received(leaf, odd_leaves.get(index, Content.NONZERO), edges[index], leaf_hooks.get(index))
        for index, leaf in graph.leaves.items()
        if graph.ran[index]
    }
    for index, key in graph.asked().items():
        if index not in received:
            seen = given.get(index, [])
            received[index] = Received(key, _summed(seen, edges[index]), edges[index])
    if graph.inputs is None:
        for index, leaf in graph.leaves.items():
            seen = [what for what in given.get(index, ()) if not what.is_finite]
            if index not in received and seen:
                received[index] = Received(leaf, _summed(seen, edges[index]), edges[index])
    return received


def with_summands(visits: Sequence[Visit], edges: Counter[int], roots: Counter[int]) -> list[Visit]:
    """The visits, with the number of gradients that were summed into each non-finite one."""
    return [
        visit if visit.incoming.is_finite else replace(visit, summands=_summands(visit.index, edges, roots))
        for visit in visits
    ]


def _summands(index: int, edges: Counter[int], roots: Counter[int]) -> int:
    return edges[index] + roots[index] if edges[index] else 0 if roots[index] else 1


def _summed(seen: Sequence[Content], edges: int) -> Content:
    """What a tensor got, told by the edges into it that were noted; the others gave something else."""
    bad = next((c for c in NONFINITE if c in seen), None)
    if bad is not None:
        return bad
    return Content.ZERO if seen and len(seen) >= edges else Content.NONZERO
