"""The flow of values, with and without gradient: which cut stands between a leaf and a loss.

Every op on a value that descends from a trainable leaf leaves a `Value` with its parents, just as
autograd leaves a node; but a Value is left also where autograd stops. An op whose input carried
gradient and whose result does not is a *cut*. A leaf that a loss reaches only through cuts is severed.

The graph is held by its consumers, as autograd's is. A chain of cuts (a detached hidden state, a moving
average) would hold the whole run, so values that crossed two epoch boundaries forget their parents.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gradscope.facts import Cut, CutKind, Step
from gradscope.folds.places import Place


@dataclass(frozen=True, slots=True)
class Severing:
    """What is known about a cut when it happens."""

    kind: CutKind
    block: Place | None = None
    resumed: Place | None = None
    certain: bool = True


class Value:
    """One tensor's content at one time: the op that made it and the values it was made from.

    `leaf` identifies a leaf that gradients accumulate into; `cut` says how the gradient stopped here.
    `guessed` says that the way from here on was inferred from names in the source.
    """

    __slots__ = ("cut", "epoch", "guessed", "leaf", "loc", "op", "parents", "rebound", "requires_grad")

    def __init__(
        self,
        op: str,
        parents: tuple[Value, ...],
        loc: Place,
        requires_grad: bool,
        epoch: int,
        *,
        leaf: int | None = None,
        cut: Severing | None = None,
        guessed: bool = False,
    ) -> None:
        self.op = op
        self.parents = parents
        self.loc = loc
        self.requires_grad = requires_grad
        self.epoch = epoch
        self.leaf = leaf
        self.cut = cut
        self.guessed = guessed
        self.rebound = None  # type: int | None

    def step(self) -> Step:
        """The op and its line as a fact."""
        return Step(self.op, self.loc.location(), self.cut is not None)

    def as_cut(self) -> Cut:
        """The cut as a fact; `cut` must be set."""
        assert self.cut is not None
        block, resumed = self.cut.block, self.cut.resumed
        return Cut(
            self.cut.kind,
            self.op,
            self.loc.location(),
            block.location() if block else None,
            resumed.location() if resumed else None,
            self.cut.certain,
        )


_COPIES = frozenset(
    [
        "data",
        "detach",
        "clone",
        "to",
        "float",
        "double",
        "half",
        "bfloat16",
        "contiguous",
        "cpu",
        "cuda",
        "leaf",
        "Parameter",
    ]
)


def is_copy_of_leaf(value: Value) -> bool:
    """Whether a value is a leaf's own content, copied: a deep-copied layer, a start, a target network.

    A leaf made from it starts afresh: nobody expects a gradient to go back to where it was copied from.
    """
    while value.leaf is None and value.op in _COPIES and len(value.parents) == 1:
        value = value.parents[0]
    return value.leaf is not None


def carries_gradient(value: Value) -> bool:
    """Whether a value was computed with gradient, if perhaps copied without it since."""
    while not value.requires_grad and value.op in _COPIES and len(value.parents) == 1:
        value = value.parents[0]
    return value.requires_grad and value.leaf is None


_Chain: TypeAlias = "tuple[Value, _Chain] | None"  # a linked list from the value back to the loss


class Flow:
    """Forgets what is too old, and answers the questions a backward asks."""

    def __init__(self) -> None:
        self._crossing: dict[int, list[Value]] = {}

    def crossed(self, value: Value) -> None:
        """Notes that a value of an older epoch is used now."""
        self._crossing.setdefault(value.epoch, []).append(value)

    def tick(self, epoch: int) -> None:
        """Seals the values that crossed out of epochs older than the last two."""
        for old in [e for e in self._crossing if e < epoch - 1]:
            for value in self._crossing.pop(old):
                value.parents = ()

    @staticmethod
    def severed(
        roots: Iterable[Value], is_reached: Callable[[int], bool]
    ) -> dict[int, tuple[tuple[Value, ...], tuple[Value, ...]]]:
        """Leaves that the roots depend on only through cuts: leaf -> (cuts, path), both from the leaf on.

        A 0-1 breadth-first search: an edge through a cut weighs 1, so that the way with the fewest cuts
        is found; a guess weighs one more, so that a way that was seen comes before it. Naming the cut
        nearest to the leaf instead would blame an innocent `int(token)`.
        """
        best: dict[int, int] = {}
        found: dict[int, tuple[int, _Chain]] = {}
        queue: deque[tuple[Value, int, _Chain]] = deque((root, 0, None) for root in roots)
        while queue:
            value, cuts, chain = queue.popleft()
            if best.get(id(value), 1 << 30) <= cuts:
                continue
            best[id(value)] = cuts
            chain = (value, chain)
            if value.leaf is not None and cuts and not is_reached(value.leaf):
                known = found.get(value.leaf)
                if known is None or known[0] > cuts:
                    found[value.leaf] = (cuts, chain)
            for parent in value.parents:
                weight = _is_cut(value, parent) + parent.guessed
                if weight:
                    queue.append((parent, cuts + weight, chain))
                else:
                    queue.appendleft((parent, cuts, chain))
        return {leaf: _cuts_and_path(last) for leaf, (_, last) in found.items()}

    @staticmethod
    def first_cuts(root: Value, limit: int = 100_000) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """For a root without a graph: the cuts on the shortest way to a leaf, and that way."""
        seen = {id(root)}
        queue: deque[tuple[Value, _Chain]] = deque([(root, None)])
        partial: _Chain = None
        while queue and len(seen) < limit:
            value, chain = queue.popleft()
            chain = (value, chain)
            if value.cut is not None and partial is None:
                partial = chain
            if value.leaf is not None and value.requires_grad and value.cut is None:
                return _cuts_and_path(chain)
            for parent in value.parents:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    queue.append((parent, chain))
        return _cuts_and_path(partial)


def _is_cut(value: Value, parent: Value) -> bool:
    """Whether the gradient stops between `parent` and `value`: it does so once, where it was still alive."""
    return value.cut is not None and (parent.requires_grad or not any(p.requires_grad for p in value.parents))


def _cuts_and_path(chain: _Chain) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """A chain as a path from the leaf to the loss, and the cuts on it."""
    path = tuple(_unlink(chain))
    return tuple(v for v, made_of in zip(path[1:], path, strict=False) if _is_cut(v, made_of)), path


def _unlink(chain: _Chain) -> Iterable[Value]:
    while chain is not None:
        value, chain = chain
        yield value
