"""The layers of a graph: the nodes that take a weight, and how many of them lie between each and the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope.recorder.node_hooks import AccumulateGrad

_TAKES_A_WEIGHT = ("Mm", "Addmm", "Bmm", "Baddbmm", "Addbmm", "Mv", "Addmv", "Dot", "Convolution", "Linear")
_FUSED = ("Rnn", "Lstm", "Gru")
_MOST_REPEATED = 64


@dataclass(frozen=True, slots=True)
class Taking:
    """A node that takes weights, by their `id`; `depth` 1 is nearest the loss.

    `again` are those of its weights that its own result meets again on the way to the loss.
    """

    node: Any
    weights: tuple[int, ...]
    depth: int
    again: frozenset[int] = frozenset()


def weights_among(leaves: Iterable[Tensor]) -> set[int]:
    """The `id` of each leaf that can be a layer's weight: floating, of two dimensions or more."""
    return {id(leaf) for leaf in leaves if leaf.dim() > 1 and leaf.dtype.is_floating_point}


def takings(nodes: Sequence[Any], weights: set[int]) -> list[Taking]:
    """The nodes that take a weight, those nearest the loss first.

    What lies between a weight and such a node (a transpose, a cast, weight normalisation) is passed
    over. Nodes are walked in the order in which the forward made them, so every way is walked once.
    """
    given: dict[Any, tuple[int, ...]] = {}
    inner: list[Any] = []
    for node in nodes:
        if type(node) is not AccumulateGrad:
            inner.append(node)
        elif id(node.variable) in weights:
            given[node] = (id(node.variable),)
        else:
            given[node] = ()
    if not any(given.values()):
        return []
    inner.sort(key=lambda node: node._sequence_nr())
    taking = _consumers(inner, given)
    return sorted(_ordered(inner, taking), key=lambda one: one.depth)


def _ordered(inner: Sequence[Any], taking: Mapping[Any, tuple[int, ...]]) -> Iterator[Taking]:
    """Walks from the loss, and hands to each node its depth and the repeated weights met so far, as bits."""
    counts = Counter(weight for weights in taking.values() for weight in set(weights))
    repeated = [weight for weight, count in counts.items() if count > 1][:_MOST_REPEATED]
    bits = {weight: 1 << index for index, weight in enumerate(repeated)}
    reached: dict[Any, tuple[int, int]] = {}
    for node in reversed(inner):
        depth, met = reached.get(node, (0, 0))
        weights = taking.get(node)
        if weights is not None:
            depth += 1
            again = frozenset(weight for weight in weights if met & bits.get(weight, 0))
            yield Taking(node, weights, depth, again)
            for weight in weights:
                met |= bits.get(weight, 0)
        for following, _ in node.next_functions:
            if following is not None:
                known = reached.get(following, (0, 0))
                reached[following] = (max(known[0], depth), known[1] | met)


def _consumers(inner: Sequence[Any], given: dict[Any, tuple[int, ...]]) -> Mapping[Any, tuple[int, ...]]:
    """The nodes where a weight meets what was computed, each with its weights.

    `given` grows by the nodes that compute from leaves only.
    """
    taking: dict[Any, tuple[int, ...]] = {}
    for node in inner:
        weights: tuple[int, ...] = ()
        only_leaves = True
        for following, _ in node.next_functions:
            if following is None:
                continue
            known = given.get(following)
            if known is None:
                only_leaves = False
            elif known:
                weights += known
        if only_leaves and not _is_layer(node):
            given[node] = weights
        elif weights:
            taking[node] = weights
    return taking


def _is_layer(node: Any) -> bool:
    """Whether a node is a layer by itself, even where its input needs no gradient."""
    name: str = type(node).__name__
    stem, _, number = name.partition("Backward")
    return not number or stem.endswith(_TAKES_A_WEIGHT) or any(part in stem for part in _FUSED)
