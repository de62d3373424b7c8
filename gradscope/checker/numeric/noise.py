"""How much forward's outputs scatter by rounding: measured, since it depends on what is inside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EPS = torch.finfo(torch.float64).eps
_HAIR = 2.0**-40
_COARSE = 2.0**-14
_WIDE = 2.0**-4
_MOST = 0.5


class Noise:
    """Rounding errors of the outputs, as seen in differences over steps far below any curvature.

    `samples` has a row for each set of points, scaled to the standard deviation of one evaluation; which
    errors of several outputs go together is kept that way. Each output counts with at least half a unit in
    its last place. `quantised` says that the outputs do not follow the smallest steps: arithmetic of lower
    precision than float64 is inside, and an output that did not change may be uncertain all the same.
    """

    def __init__(self, samples: Tensor, outputs: Tensor, *, quantised: bool = False) -> None:
        self._samples = torch.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        self._least = torch.nan_to_num(outputs.abs(), nan=0.0, posinf=0.0) * (_EPS / 2)
        self.quantised = quantised

    @classmethod
    def measured(cls, along: Callable[[float], Tensor]) -> Noise:
        """`along` gives the outputs at a distance from the point, in units of the inputs' scale."""
        here = along(0.0)
        # All on one side of the point: it may lie right at a jump, which is no noise.
        near = [along(times * _HAIR) for times in range(1, 6)]
        coarse = along(_COARSE)
        follows, moves = coarse != here, along(_WIDE) != here
        still = torch.stack([one == here for one in near]).all(dim=0)
        if _share(follows[moves]) > _MOST and _share(still[follows]) > _MOST:
            far = [coarse, *(along(times * _COARSE) for times in range(2, 8))]
            return cls(_fourth(far), here, quantised=True)
        return cls(_second(near), here)

    @property
    def each(self) -> Tensor:
        """The standard deviation of each output by itself."""
        return torch.maximum(self._samples.square().mean(dim=0).sqrt(), self._least)

    def of(self, cotangents: Tensor, changed: Tensor) -> Tensor:
        """The standard deviation of <v, f> for each cotangent, by those outputs that change at all."""
        among = cotangents * changed
        seen = (among @ self._samples.T).square().mean(dim=1).sqrt()
        if self.quantised:  # the errors of single outputs are as large as those of all together
            seen = torch.maximum(seen, (among * self.each).square().sum(dim=1).sqrt())
        least = (among * self._least).square().sum(dim=1).sqrt()
        larger: Tensor = torch.maximum(seen, least)
        return larger

    def floor(self, cotangents: Tensor) -> Tensor:
        """The same by all outputs' last places: what lies below cannot be seen in any of them."""
        return (cotangents * self._least).square().sum(dim=1).sqrt()


def _second(points: list[Tensor]) -> Tensor:
    """Second differences; three independent errors make the square root of 6 of one."""
    rows = [a - 2 * b + c for a, b, c in zip(points, points[1:], points[2:], strict=False)]
    return torch.stack(rows).div(6**0.5)


def _fourth(points: list[Tensor]) -> Tensor:
    """Fourth differences, which no curvature reaches at wider steps; five errors make the root of 70."""
    rows = [
        a - 4 * b + 6 * c - 4 * d + e
        for a, b, c, d, e in zip(points, points[1:], points[2:], points[3:], points[4:], strict=False)
    ]
    return torch.stack(rows).div(70**0.5)


def _share(mask: Tensor) -> float:
    return float(mask.double().mean()) if mask.numel() else 0.0
