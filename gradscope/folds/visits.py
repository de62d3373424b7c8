"""What a backward pass did at the nodes worth telling of: the words that the folds of it share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gradscope.facts import Step, ValueStats
from gradscope.finding import Location
from gradscope.folds.places import Place


class Content(StrEnum):
    """What a gradient contains: NaN before Inf, Inf before a finite element that is not zero."""

    NONZERO = "nonzero"
    ZERO = "zero"
    INF = "inf"
    NAN = "nan"

    @property
    def is_finite(self) -> bool:
        """False for Inf and NaN."""
        return self is Content.NONZERO or self is Content.ZERO


@dataclass(frozen=True, slots=True)
class Spot:
    """A backward node by its name and its line."""

    node: str
    place: Place | None

    def step(self) -> Step:
        """The op of this node, at its line."""
        return Step(op_name(self.node), location(self.place))


@dataclass(frozen=True, slots=True)
class Factor:
    """A saved tensor that an outgoing gradient was multiplied by, and that was all zeros.

    `leaf` is the id of the leaf that it is, views or was cast from; `is_number` says that it was a number.
    """

    name: str
    leaf: int | None = None
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class HookSite:
    """A hook of the program that made a gradient zero or non-finite: its function, and its line."""

    function: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Look:
    """Statistics taken at a node while it ran: what it got, what it gave, what it had saved.

    `true_largest` is the largest magnitude it should have given, where only float16 made it infinite.
    """

    incoming: ValueStats | None
    outgoing: ValueStats | None
    saved: tuple[ValueStats, ...]
    true_largest: float | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One node that got or gave something non-finite, or gave zeros, in the order the nodes ran.

    `outgoing` and `targets` go together, edge by edge: what was given, and the index of the node it
    was given to; None where nothing was given. `factors` explain zeros, edge by edge. `summands` counts
    the edges that lead to this node, 0 for a root. `cancels` tells the edges that get a sum, whose zeros
    may come from terms that cancel. `look` is None where enough looks have been taken at this line.
    `hook_before` made what the node got zero or non-finite, `hook_after` what it gave.
    """

    index: int
    spot: Spot
    incoming: Content
    outgoing: tuple[Content | None, ...]
    targets: tuple[int | None, ...]
    summands: int = 1
    factors: tuple[Factor | None, ...] = ()
    cancels: tuple[bool, ...] = ()
    look: Look | None = None
    hook_before: HookSite | None = None
    hook_after: HookSite | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a leaf, or a tensor asked of `autograd.grad`, got in one backward.

    `key` is the leaf's id, or the text that stands for a result of `autograd.grad`. `edges` counts the
    gradients that were summed into it, `hook` is the program's hook that made it zero or non-finite.
    """

    key: int | str
    content: Content
    edges: int = 1
    hook: HookSite | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """One backward pass: its line, which one it was, how many leaves it reached, and its loss scale."""

    backward: Place | None
    step: int
    trainable: int
    exact: bool = True
    scale: float | None = None


def location(place: Place | None) -> Location | None:
    """The location of a place that may be unknown."""
    return None if place is None else place.location()


def op_name(node: str) -> str:
    """The op that makes such a node: "LogSoftmaxBackward0" is "log_softmax"; a Function keeps its name."""
    stem = re.sub(r"Backward\d*$", "", node)
    if stem == node or not re.search(r"Backward\d+$", node):
        return stem or node
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", stem).lower()
