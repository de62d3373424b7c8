"""Puts what is known to be cheaper beside the rows that it would shorten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from gradscope.folds.cheaper.activations import activations, log_sigmoid
from gradscope.folds.cheaper.attention import attention
from gradscope.folds.cheaper.by_hand import by_hand
from gradscope.folds.cheaper.copies import doubles, repeated
from gradscope.folds.cheaper.losses import cross_entropy
from gradscope.folds.cheaper.view import GraphView, Saving
from gradscope.folds.kept_rows import Row

_LEAST: Final = 0.05  # of all that is saved
_WAYS: Final[tuple[Callable[[GraphView], Iterator[Saving]], ...]] = (
    activations,
    log_sigmoid,
    by_hand,
    attention,
    cross_entropy,
    repeated,
    doubles,
)


@dataclass(slots=True)
class Advice:
    """A way of keeping less, all the places of one line together."""

    text: str
    size: int = 0
    gone: set[tuple[int, str]] = field(default_factory=set)


def advice(view: GraphView, rows: Sequence[Row], saved: int) -> dict[int, Advice]:
    """By the index of a row: how to keep less than it, where that is worth a twentieth of `saved`.

    A way that shortens several rows stands at the first of them. No memory is promised twice.
    """
    row_of = {(node, row.name): index for index, row in enumerate(rows) for node in row.nodes}
    groups: dict[tuple[str, int], Advice] = {}
    promised: set[tuple[int, str]] = set()
    found = sorted(chain.from_iterable(way(view) for way in _WAYS), key=lambda one: -one.size)
    for saving in found:
        at = [row_of[each] for each in saving.gone if each in row_of]
        if not at or not promised.isdisjoint(saving.gone):
            continue
        promised.update(saving.gone)
        group = groups.setdefault((saving.text, min(at)), Advice(saving.text))
        group.size += saving.size
        group.gone.update(saving.gone)
    best: dict[int, Advice] = {}
    for (_, index), group in groups.items():
        if group.size >= _LEAST * saved and (index not in best or group.size > best[index].size):
            best[index] = group
    return best
