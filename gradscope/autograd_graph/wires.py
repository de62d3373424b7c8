"""The arrows of a picture: edges of the graph between what is drawn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from gradscope.autograd_graph.drawing import Arrow
from gradscope.autograd_graph.folding import Folds
from gradscope.autograd_graph.words import Words
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.screen.words import number

_LONGEST_NAME = 12


def wires(
    graph: AutogradGraph,
    folds: Folds,
    boxes: Sequence[int],
    copies: Sequence[int],
    ids: Mapping[int, str],
    words: Words,
) -> Iterator[Arrow]:
    """The arrows among boxes. `boxes` gives the key of each node's box, `ids` the id of each key.

    Edges inside a closed box are not drawn, except those from one turn of what it stands for to the next:
    `copies` tells those of equal modules apart, and gives 0 where every edge back leads to the next turn.
    """
    pairs = _pairs(graph, folds, boxes, copies)
    sizes = Counter(folds.shown) if len(pairs) and any(count > 1 for count in pairs.values()) else Counter()
    counts: dict[tuple[int, int], int] = {}
    labels: dict[tuple[int, int], int] = {}
    for (tail, head), count in pairs.items():
        key = boxes[tail], boxes[head]
        counts[key] = counts.get(key, 0) + count
        is_back = tail >= head
        if count > 1 and (is_back or count not in (sizes[tail], sizes[head])):
            labels[key] = max(labels.get(key, 0), count)
    slopes = _slopes(graph, folds, words) if graph.small else {}
    for (tail, head), count in counts.items():
        times = labels.get((tail, head))
        label = slopes.get((tail, head)) or (f"x{times:,}" if times else "")
        yield Arrow(ids[tail], ids[head], label=label, count=count)


def _pairs(
    graph: AutogradGraph, folds: Folds, boxes: Sequence[int], copies: Sequence[int]
) -> dict[tuple[int, int], int]:
    """How many edges lead from one drawn node to another, in the way of the forward."""
    shown = folds.shown
    pairs: dict[tuple[int, int], int] = {}
    for index, node in enumerate(graph.nodes):
        head, box = shown[index], boxes[index]
        for edge in node.next:
            if edge is None:
                continue
            tail = shown[edge[0]]
            if boxes[tail] == box and (tail < head or (copies[edge[0]] == copies[index] and copies[index])):
                continue
            pair = (tail, head)
            pairs[pair] = pairs.get(pair, 0) + 1
    return pairs


def _slopes(graph: AutogradGraph, folds: Folds, words: Words) -> dict[tuple[int, int], str]:
    """The local derivative at each edge of a graph of scalars, as outgoing / incoming tell it."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for index, node in enumerate(graph.nodes):
        if not node.incoming or not math.isfinite(node.incoming) or index in folds.loops:
            continue
        for edge, outgoing in zip(node.next, node.outgoing, strict=False):
            if edge is not None and outgoing is not None:
                found[edge[0], index].append(number(outgoing / node.incoming))
    return {
        (tail, head): f"{_derivative(words.value_name(head), words.value_name(tail))} = {' + '.join(slopes)}"
        for (tail, head), slopes in found.items()
    }


def _derivative(output: str, operand: str) -> str:
    """ "dc/db", as far as both have short names."""
    names = [name if name.isidentifier() and len(name) <= _LONGEST_NAME else "" for name in (output, operand)]
    return f"d{names[0]}/d{names[1]}" if names[1] else "slope"
