"""One backward of an engine for single numbers, beside what the chain rule gives for the same graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

_TOLERANCE: Final = 1e-4  # of the terms' size: engines may compute in float32; what is wrong is far off
_LEAST_SLOPE: Final = 1e-3  # a derivative near 0 may be a difference of larger numbers: 1 - tanh(x)**2


@dataclass(frozen=True, slots=True)
class Edge:
    """To an operand, by its index; `slope` is the local derivative, None where it is not known."""

    target: int
    slope: float | None


@dataclass(slots=True)
class ScalarNode:
    """A value of a graph; `before` and `after` are its `grad` around the backward.

    A `constant` is a leaf whose gradient nobody reads: the engine itself made it of a plain number.
    """

    op: str
    value: float
    before: float
    after: float = math.nan
    edges: tuple[Edge, ...] = ()
    constant: bool = False

    @property
    def targets(self) -> tuple[int, ...]:
        """The indices of its operands; one that stands twice is there twice."""
        return tuple(edge.target for edge in self.edges)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made of nothing."""
        return not self.edges


@dataclass(slots=True)
class ScalarPass:
    """A graph, root first and every node before its operands, and the gradient given to `backward`.

    `seed` is None for the 1 that an engine begins with by itself, NaN for one that is not known.
    """

    nodes: list[ScalarNode]
    seed: float | None = None


class FaultKind(Enum):
    """Why a gradient is not what the chain rule gives, as far as that is certain."""

    STALE = "stale"  # intermediates began with the gradient of an earlier backward
    OVERWRITTEN = "overwritten"  # one contribution alone is there, the others are lost
    FORMULA = "formula"  # an op passes on something else than its derivative
    SEED = "seed"  # the root's gradient was 0
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EngineFault:
    """A gradient that differs: of the node `index`, which has `got` where `right` is.

    `by` are the nodes that explain it: the stale ones, or the op whose formula is wrong.
    """

    kind: FaultKind
    index: int
    got: float
    right: float
    by: tuple[int, ...] = ()


def true_gradients(this: ScalarPass, seed: float) -> list[float | None]:
    """The derivative of the root by every node, times the seed; None where an op on the way is not known."""
    found: list[float | None] = [seed, *[0.0] * (len(this.nodes) - 1)]
    for index, node in enumerate(this.nodes):
        for edge in node.edges:
            found[edge.target] = _plus(found[edge.target], edge.slope, found[index])
    return found


def _plus(so_far: float | None, slope: float | None, incoming: float | None) -> float | None:
    if so_far is None or slope is None or incoming is None:
        return None
    return so_far + slope * incoming


def given(this: ScalarPass) -> list[float]:
    """What this backward gave each node: the change of its `grad`, or all of it where it was set anew."""
    return [
        node.after
        if not node.is_leaf or (right is not None and _agree(node.after, right, right))
        else node.after - node.before
        for node, right in zip(this.nodes, true_gradients(this, seed_of(this)), strict=True)
    ]


def outgoing(this: ScalarPass) -> list[tuple[float | None, ...]]:
    """What each node gave its operands, edge by edge.

    Where the local derivative is not known, all that an operand got, if it is used nowhere else.
    """
    gave = given(this)
    uses = Counter(edge.target for node in this.nodes for edge in node.edges)
    return [
        tuple(
            gave[index] * edge.slope
            if edge.slope is not None
            else (gave[edge.target] if uses[edge.target] == 1 else None)
            for edge in node.edges
        )
        for index, node in enumerate(this.nodes)
    ]


def seed_of(this: ScalarPass) -> float:
    """The gradient that the backward began with: given, or left in the root; NaN where it is not known."""
    if this.seed is not None:
        return this.seed
    root = this.nodes[0]
    if root.after == 0 or (root.before != 0 and _agree(root.after, root.before + 1, root.after)):
        return 1.0
    return root.after


def faults(this: ScalarPass) -> tuple[EngineFault, ...]:
    """What is certainly wrong with the gradients that the leaves have now; empty for a healthy engine.

    A leaf may add up over backwards or be set anew by each, and what was computed may lose its gradient
    afterwards: both are fine. Constants are nobody's concern.
    """
    seed = seed_of(this)
    if not all(map(math.isfinite, (seed, *_numbers(this)))):
        return ()
    truth = true_gradients(this, seed)
    sizes = _sizes(this, seed)
    wrong = [
        index
        for index in range(1, len(this.nodes))
        if _is_wrong(this.nodes[index], truth[index], sizes[index])
    ]
    if not wrong:
        return ()
    first = wrong[0]
    if this.seed is None and this.nodes[0].after == 0 and all(_got_nothing(node) for node in this.nodes):
        return (_fault(this, FaultKind.SEED, first, truth, (0,)),)
    stale = _stale(this, seed, sizes)
    if stale:
        return tuple(_fault(this, FaultKind.STALE, index, truth, stale) for index in wrong)
    if this.nodes[0].after == 0:  # gradients of what was computed are dropped after the pass: no trace
        return (_fault(this, FaultKind.OTHER, first, truth),)
    return tuple(_origins(this, truth))


def _numbers(this: ScalarPass) -> Iterator[float]:
    for node in this.nodes:
        yield from (node.value, node.before, node.after)


def _is_wrong(node: ScalarNode, right: float | None, size: float) -> bool:
    """Whether a leaf of the program has neither the right gradient, nor the right one more than before."""
    if right is None or node.constant or not node.is_leaf:
        return False
    return not (_agree(node.after, right, size) or _agree(node.after, node.before + right, size))


def _sizes(this: ScalarPass, seed: float) -> list[float]:
    """The size of the terms that each gradient is the sum of, and of what it held: rounding goes by it."""
    sums = [abs(seed), *[0.0] * (len(this.nodes) - 1)]
    for index, node in enumerate(this.nodes):
        for edge in node.edges:
            sums[edge.target] += (abs(edge.slope or 0.0) + _LEAST_SLOPE) * sums[index]
    return [total + abs(node.before) for total, node in zip(sums, this.nodes, strict=True)]


def _got_nothing(node: ScalarNode) -> bool:
    return node.after == node.before


def _fault(
    this: ScalarPass, kind: FaultKind, index: int, truth: Sequence[float | None], by: tuple[int, ...] = ()
) -> EngineFault:
    node = this.nodes[index]
    right = truth[index] or 0.0
    return EngineFault(kind, index, node.after, node.before + right if node.is_leaf else right, by)


# ---------------------------------------------------------------- why


def _stale(this: ScalarPass, seed: float, sizes: Sequence[float]) -> tuple[int, ...]:
    """The nodes that began with an old gradient, where just that explains every gradient there is now."""
    old = [
        index
        for index, node in enumerate(this.nodes)
        if node.before != 0 and not node.is_leaf and (index or not _agree(node.after, seed, seed))
    ]
    if not old:
        return ()
    so_far: list[float | None] = [this.nodes[0].after, *(node.before for node in this.nodes[1:])]
    for index, node in enumerate(this.nodes):
        incoming = so_far[index]
        differs = incoming is not None and not _agree(node.after, incoming, sizes[index] + abs(incoming))
        if differs and not node.constant:
            return ()
        for edge in node.edges:
            so_far[edge.target] = _plus(so_far[edge.target], edge.slope, incoming)
    return tuple(old)


def _origins(this: ScalarPass, truth: Sequence[float | None]) -> Iterator[EngineFault]:
    """The first gradients that do not follow from those of the nodes above them; a wrong formula once."""
    uses = _uses(this)
    straight = _on_one_path(this, uses)
    told: set[str] = set()
    for index, node in enumerate(this.nodes):
        above = uses[index]
        terms = [edge.slope * this.nodes[user].after for user, edge in above if edge.slope is not None]
        if node.constant or truth[index] is None or not above or len(terms) < len(above):
            continue
        incoming = sum(abs(this.nodes[user].after) for user, _ in above)
        size = sum(map(abs, terms)) + abs(node.before) + _LEAST_SLOPE * incoming
        expected = sum(terms)
        if _agree(node.after, expected, size) or _agree(node.after, node.before + expected, size):
            continue
        users = tuple(dict.fromkeys(user for user, _ in above))
        if len(terms) > 1 and any(term and _agree(node.after, term, size) for term in terms):
            yield EngineFault(FaultKind.OVERWRITTEN, index, node.after, expected, users)
        elif len(above) > 1 or node.before != 0 or not straight[users[0]]:
            yield _fault(this, FaultKind.OTHER, index, truth)
        elif this.nodes[users[0]].op not in told:
            told.add(this.nodes[users[0]].op)
            yield EngineFault(FaultKind.FORMULA, index, node.after, expected, users)


def _uses(this: ScalarPass) -> list[list[tuple[int, Edge]]]:
    uses: list[list[tuple[int, Edge]]] = [[] for _ in this.nodes]
    for index, node in enumerate(this.nodes):
        for edge in node.edges:
            uses[edge.target].append((index, edge))
    return uses


def _on_one_path(this: ScalarPass, uses: Sequence[Sequence[tuple[int, Edge]]]) -> list[bool]:
    """For each node, whether one path alone leads to it: then the order of the backward cannot matter."""
    single = [False] * len(this.nodes)
    single[0] = True
    for index in range(1, len(this.nodes)):
        single[index] = len(uses[index]) == 1 and single[uses[index][0][0]]
    return single


def _agree(one: float, other: float, size: float) -> bool:
    return abs(one - other) <= _TOLERANCE * abs(size) + 1e-12
