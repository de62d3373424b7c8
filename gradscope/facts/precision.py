"""What float16 did to the gradients of a backward: what it flushed to zero, and what was lost by it."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class FlushSite:
    """A backward node that first loses part of a gradient because float16 is too narrow below.

    `share` (0..1) is how much of the non-zero elements of what it gives became exactly 0, `error` the
    2-norm of what is lost relative to that of what it should have given; both of its worst backward.
    `lossy` counts the backwards in which it lost that way.
    """

    node: str
    location: Location | None
    share: float
    error: float
    lossy: int = 1


@dataclass(frozen=True, slots=True)
class LeafFlush:
    """What one leaf lost because gradients on the way to it, or its own, were flushed in float16.

    `numel` counts elements, `nonzero` those that should not have been 0, `flushed` those of them that
    arrived as exactly 0; `error` is the 2-norm of the difference relative to that of the gradient it should
    have got. All three belong to the first backward that was lossy; `lossy` counts those backwards.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    numel: int
    nonzero: int
    flushed: int
    error: float
    lossy: int = 1


@dataclass(frozen=True, slots=True)
class HalfGradients:
    """The float16 gradients of the backwards of one line, against what they should have been.

    `passes` counts the backwards that were examined and had finite gradients, `lossy` those in which a
    leaf lost part of its gradient. `scale` is the loss scale of the last one, None where no GradScaler had
    multiplied the loss. `largest` is the largest magnitude of any float16 gradient over those backwards,
    before flushing. `exponents` counts the elements of flushed gradients by floor(log2(magnitude)), as
    (exponent, count) in ascending order: what they should have been, not what float16 left.
    """

    backward: Location | None
    step: int
    passes: int
    lossy: int
    scale: float | None
    largest: float
    exponents: tuple[tuple[int, int], ...]
    sites: tuple[FlushSite, ...] = ()
    leaves: tuple[LeafFlush, ...] = ()
