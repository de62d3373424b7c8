"""Which parameters get gradients and have no optimizer, and what that looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gradscope.facts import Leaf, OptimizerFact, Recording
from gradscope.rules._words import got_gradient


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Leaves without an optimizer, the optimizer to look at, and why.

    `reason` is "stale" (it owns what was there before), "shared" (`twin` owns the same leaves),
    "whole-model", "after" (they follow the owned part of their model), "most-of-it" (they follow it, and
    are more) or "between" (the minority of it).
    """

    reason: str
    optimizer: OptimizerFact
    leaves: tuple[Leaf, ...]
    twin: OptimizerFact | None = None


def mismatches(recording: Recording) -> Iterator[Mismatch]:
    """One for each reason and model; nothing where no optimizer has stepped."""
    stepping = [optimizer for optimizer in recording.optimizers if optimizer.steps]
    if not stepping:
        return
    for root in dict.fromkeys(leaf.root for leaf in recording.leaves if leaf.root is not None):
        learning = [leaf for leaf in recording.leaves if leaf.root == root and _learns(leaf)]
        unowned = [leaf for leaf in learning if not leaf.optimizers]
        owned = [leaf for leaf in learning if leaf.optimizers]
        if not unowned:
            continue
        stale = _stale_leaves(unowned, stepping)
        if not stale and not _comes_first(recording, unowned, owned):
            stale = [leaf for leaf in unowned if leaf.replaced_at is not None]
        if stale:
            yield Mismatch("stale", _stale_optimizer(recording, root, stale, stepping), tuple(stale))
        else:
            yield from _without_trace(recording, stepping, owned, unowned)


def _learns(leaf: Leaf) -> bool:
    return leaf.root_called and leaf.requires_grad and got_gradient(leaf)


def _stale_leaves(unowned: list[Leaf], optimizers: list[OptimizerFact]) -> list[Leaf]:
    """Those whose shapes an optimizer still holds orphans of, and others replaced along with them."""
    left = [_shape_of(orphan) for optimizer in optimizers for orphan in optimizer.orphans]
    if not left:
        return []
    found = []
    for leaf in unowned:
        shape = shape_text(leaf)
        if shape in left:
            left.remove(shape)
            found.append(leaf)
        elif leaf.replaced_at is not None:
            found.append(leaf)
    return found


def shape_text(leaf: Leaf) -> str:
    """A leaf's shape as orphans are described: "(64, 32)"."""
    return f"({', '.join(map(str, leaf.shape))})"


def _shape_of(orphan: str) -> str:
    match = re.search(r"\([\d, ]*\)$", orphan)
    return match.group() if match else ""


def _stale_optimizer(
    recording: Recording, root: str, leaves: list[Leaf], optimizers: list[OptimizerFact]
) -> OptimizerFact:
    shapes = {shape_text(leaf) for leaf in leaves}
    of_root = {leaf.name for leaf in recording.leaves if leaf.root == root}

    def fits(optimizer: OptimizerFact) -> tuple[int, int, int]:
        matching = sum(_shape_of(orphan) in shapes for orphan in optimizer.orphans)
        return (matching, len(of_root.intersection(optimizer.leaves)), len(optimizer.orphans))

    return max(optimizers, key=fits)


def _without_trace(
    recording: Recording, optimizers: list[OptimizerFact], owned: list[Leaf], unowned: list[Leaf]
) -> Iterator[Mismatch]:
    leaves = tuple(unowned)
    if not owned:
        twins = _twins(optimizers)
        if twins:
            yield Mismatch("shared", twins[1], leaves, twin=twins[0])
        elif unowned[0].root_training and _own_models(recording, optimizers):
            yield Mismatch("whole-model", optimizers[0], leaves)
        return
    if not unowned[0].root_training:
        return
    optimizer = max(optimizers, key=lambda one: len({leaf.name for leaf in owned}.intersection(one.leaves)))
    if _comes_first(recording, unowned, owned):  # a linear probe: what comes before the head is left alone
        return
    most = len(owned) >= len(unowned) or _elements(owned) >= _elements(unowned)
    if _comes_first(recording, owned, unowned):
        yield Mismatch("after" if most else "most-of-it", optimizer, leaves)
    elif len(owned) > len(unowned) or _elements(owned) > _elements(unowned):
        yield Mismatch("between", optimizer, leaves)


def _comes_first(recording: Recording, leaves: list[Leaf], others: list[Leaf]) -> bool:
    """Whether all modules of `leaves` were registered before all modules of `others`; False for no others."""
    order = {(module.root, module.path): index for index, module in enumerate(recording.modules)}
    sight = {leaf.name: index for index, leaf in enumerate(recording.leaves)}

    def position(leaf: Leaf) -> int:
        return order.get((leaf.root or "", leaf.module or ""), sight[leaf.name])

    return bool(others) and max(map(position, leaves)) < min(map(position, others))


def _elements(leaves: list[Leaf]) -> int:
    return sum(leaf.numel for leaf in leaves)


def _twins(optimizers: list[OptimizerFact]) -> tuple[OptimizerFact, OptimizerFact] | None:
    """The first two optimizers that own exactly the same leaves, in the order they were built."""
    for index, later in enumerate(optimizers):
        for earlier in optimizers[:index]:
            if earlier.leaves and set(earlier.leaves) == set(later.leaves):
                return earlier, later
    return None


def _own_models(recording: Recording, optimizers: list[OptimizerFact]) -> bool:
    """Whether any optimizer owns a module's parameter, rather than an image or a latent code."""
    owned = {name for optimizer in optimizers for name in optimizer.leaves}
    return any(leaf.root is not None and leaf.name in owned for leaf in recording.leaves)
