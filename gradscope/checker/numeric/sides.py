"""One-sided derivatives at one element: is there a kink, a jump or an infinite slope right at the point?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from gradscope.checker.numeric.directional import Directional, Input, unit

_STEPS = (2.0**-12, 2.0**-16, 2.0**-20, 2.0**-24)
_GROWS = 1.5  # from one step to the next, 16 times smaller: a root grows by 4, a jump by 16
_COUNTS = 0.05
_CLOSE = 1e-5


class Shape(StrEnum):
    """What forward looks like at the point, along one element."""

    SMOOTH = "smooth"
    KINK = "kink"
    JUMP = "jump"
    INFINITE = "infinite slope"
    EDGE = "edge"  # not finite on one side at least


@dataclass(frozen=True, slots=True)
class Sides:
    """The derivatives from below and from above for each cotangent, where they exist."""

    shape: Shape
    below: Tensor
    above: Tensor
    tolerance: Tensor

    def allow(self, gradient: Tensor) -> bool:
        """Whether a gradient equals one of the one-sided derivatives, or lies between them."""
        room = self.tolerance
        low, high = torch.minimum(self.below, self.above), torch.maximum(self.below, self.above)
        return bool(((gradient >= low - room) & (gradient <= high + room)).all())


def sides(directional: Directional, at: Input, coordinate: int, here: Tensor) -> Sides:
    """Looks at both sides of one element; `here` are the outputs at the point. Derivatives are in the
    element's own unit.
    """
    return sides_along(directional, at, unit(at, coordinate), here, float(at.scale[coordinate]))


def sides_along(
    directional: Directional, at: Input, direction: Tensor, here: Tensor, scale: float = 1.0
) -> Sides:
    """The same along any direction; derivatives are in units of `scale` of it."""
    cotangents = directional.cotangents
    chosen = direction != 0
    steps = list(_STEPS)
    rows: list[list[Tensor]] = [[], []]
    changes: list[Tensor] = []
    for step in steps:
        moved = []
        for side, sign in enumerate((-1, 1)):
            tensor, values = at.moved(sign * step * direction)
            change = directional.forward({at.place: tensor}) - here
            moved.append(change)
            gone = ((values - at.at)[chosen] / direction[chosen]).mean()  # in float32 not all of the step
            rows[side].append((cotangents @ change) / (gone * scale))
        changes.append((moved[0] != 0) | (moved[1] != 0))
    below, above = torch.stack(rows[0]), torch.stack(rows[1])
    noise = torch.stack([directional.noise.of(cotangents, changed) for changed in changes])
    noise = noise * 8 / (torch.tensor(steps, dtype=torch.float64, device="cpu") * scale)[:, None]
    return _shape(below, above, noise)


def _shape(below: Tensor, above: Tensor, noise: Tensor) -> Sides:
    """`below`, `above` and `noise` have a row for each step size, from the largest to the smallest."""
    nan = torch.full_like(noise[0], float("nan"))
    if not (below.isfinite().all() and above.isfinite().all()):
        return Sides(Shape.EDGE, nan, nan, nan)
    largest = torch.maximum(below[-1].abs(), above[-1].abs())
    for side in (below, above):
        size = side.abs()
        growing = (size[1:] > _GROWS * size[:-1] + noise[1:]).all(dim=0)
        growing &= size[-1] > _COUNTS * largest  # next to a kink the flat side grows, from next to nothing
        if bool(growing.any()):
            jumps = bool((size[-1] > 8 * size[-2])[growing].any())
            return Sides(Shape.JUMP if jumps else Shape.INFINITE, nan, nan, nan)
    # From here on a side's derivative is extrapolated from the two surest steps.
    room = (below[1:] - below[:-1]).abs() + (above[1:] - above[:-1]).abs() + noise[1:] + noise[:-1]
    row = int(room.max(dim=1).values.argmin()) + 1
    left, right = (16 * below[row] - below[row - 1]) / 15, (16 * above[row] - above[row - 1]) / 15
    size = torch.maximum(left.abs(), right.abs())
    tolerance = room[row - 1] + _CLOSE * size
    kink = bool(((left - right).abs() > 4 * tolerance).any())
    return Sides(Shape.KINK if kink else Shape.SMOOTH, left, right, tolerance)
