"""What is kept of one run of a checkpointed region: its ops, what they gave, and what the backward needs.

A tensor's content is two numbers. They tell apart what differs by more than another order of summation
could make, and hold nothing alive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from gradscope.folds.places import Place

# how far the two moments of one tensor may lie apart, relative to its norm: rounding stays well below
_ROUNDING = {
    "float64": 1e-9,
    "complex128": 1e-9,
    "float32": 2e-5,
    "complex64": 2e-5,
    "float16": 8e-3,
    "bfloat16": 6e-2,
}
_EIGHT_BITS = 0.5


@dataclass(slots=True)
class TensorContent:
    """What a tensor held, as numbers: its 2-norm and its product with fixed random signs.

    `moments` is None where the values could not be read, or while they are still on their device.
    `exact` says that any difference counts: integers and booleans.
    """

    shape: tuple[int, ...]
    dtype: str
    exact: bool = False
    moments: tuple[float, float] | None = None


def difference(first: TensorContent, again: TensorContent) -> float:
    """How far apart two contents are, relative to their norm; inf where shape or dtype differ."""
    if (first.shape, first.dtype) != (again.shape, again.dtype):
        return math.inf
    if first.moments is None or again.moments is None or first.moments == again.moments:
        return 0.0
    largest = 0.0
    scale = max(first.moments[0], again.moments[0])
    for one, other in zip(first.moments, again.moments, strict=True):
        if math.isfinite(one) != math.isfinite(other):
            return math.inf
        if math.isfinite(one) and math.isfinite(scale) and scale:
            largest = max(largest, abs(one - other) / scale)
    return largest


def is_beyond_rounding(first: TensorContent, again: TensorContent) -> bool:
    """Whether two contents differ by more than another order of summation could explain."""
    off = difference(first, again)
    if first.exact:
        return off > 0
    return off > _ROUNDING.get(first.dtype, _EIGHT_BITS)


class Draw(StrEnum):
    """Where an op's numbers came from, beside its arguments."""

    NOTHING = "nothing"
    RANDOM = "random"
    GENERATOR = "generator"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Given:
    """One tensor that an op was given: by an earlier op of the region, or from outside.

    `position` counts the arguments from 0. `producer` is the index of the op that wrote it last, None for a
    tensor from outside; that one's `content` is known. `memory` tells its storage and its version counter.
    """

    position: int
    producer: int | None
    content: TensorContent | None
    memory: tuple[int, int]
    leaf: int | None = None


@dataclass(slots=True)
class OpRun:
    """One op of a region: its line and the lines of the calls up to the region's own function.

    `numbers` are the Python numbers among its arguments, as text. `raised` says that it gave nothing.
    """

    name: str
    place: Place
    chain: tuple[Place, ...]
    given: tuple[Given, ...] = ()
    numbers: tuple[str, ...] = ()
    outputs: tuple[TensorContent | None, ...] = ()
    draw: Draw = Draw.NOTHING
    raised: bool = False

    @property
    def key(self) -> tuple[str, tuple[Place, ...]]:
        """What two runs of one op have in common."""
        return self.name, self.chain


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor that the backward is computed from.

    `op` is the index of the op that kept it, or that came next where `by_op` is False: it was kept by a
    custom Function, or returned.
    """

    content: TensorContent | None
    op: int
    by_op: bool = False


@dataclass(slots=True)
class Run:
    """One run of a region. `kept` is in the order of keeping, which both runs share.

    `whole` says that it ran to its end: a recomputation stops early where it has all it needs.
    """

    ops: list[OpRun] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    whole: bool = True
