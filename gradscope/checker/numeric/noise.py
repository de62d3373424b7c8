"""How much forward's outputs scatter by rounding: measured, since it depends on what is inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_EPS = torch.finfo(torch.float64).eps
_HAIR = 2.0**-40
_COARSE = 2.0**-14
_WIDE = 2.0**-4
_MOST = 0.5
_DROWNED = 1e-2
_MANY = 64.0
_SCALES = (2.0**-18, 2.0**-22)


class Noise:
    """Rounding errors of the outputs, as seen in differences over steps far below any curvature.

    `samples` has a row for each set of points, scaled to the standard deviation of one evaluation; which
    errors of several outputs go together is kept that way. Each output counts with at least half a unit in
    the last place of its own or of its tensor's root mean square, whichever is larger: what cancels in the
    tail of a function does not follow the smallest steps. `quantised` says that the outputs do not follow
    them either: arithmetic of lower precision than float64 is inside, and an output that did not change may
    be uncertain all the same.
    """

    def __init__(
        self,
        samples: Tensor,
        outputs: Tensor,
        sizes: Sequence[int],
        *,
        quantised: bool = False,
        range_of: Tensor | None = None,
    ) -> None:
        self._samples = torch.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        self._outputs = torch.nan_to_num(outputs.abs(), nan=0.0, posinf=0.0)
        self._sizes = tuple(sizes)
        self._least = torch.maximum(self._outputs, _typical(self._outputs, sizes)) * (_EPS / 2)
        self._range = self._outputs if range_of is None else torch.nan_to_num(range_of.abs())
        self.quantised = quantised

    def with_samples(self, more: Tensor) -> Noise:
        """With rows measured in another way: the variances add up."""
        ours, theirs = self._samples.shape[0], more.shape[0]
        every = torch.cat([self._samples * (1 + theirs / ours) ** 0.5, more * (1 + ours / theirs) ** 0.5])
        quantised = self.quantised
        return Noise(every, self._outputs, self._sizes, quantised=quantised, range_of=self._range)

    def drowned(self, size: float) -> Tensor:
        """The outputs that scatter over a hair's breadth nearly as much as they change over a wide step, and
        more than inputs of that size are rounded: no step size shows their derivative.
        """
        seen = self._samples.square().mean(dim=0).sqrt()
        return (seen > _DROWNED * self._range) & (seen > _MANY * _EPS * self._outputs.clamp(min=size))

    @classmethod
    def measured(cls, along: Callable[[float], Tensor], sizes: Sequence[int]) -> Noise:
        """`along` gives the outputs at a distance from the point, in units of the inputs' scale; `sizes` are
        those of the tensors that they are made of.
        """
        here = along(0.0)
        # All on one side of the point: it may lie right at a jump, which is no noise.
        near = [along(times * _HAIR) for times in range(1, 6)]
        coarse = along(_COARSE)
        wide = along(_WIDE)
        follows, moves = coarse != here, wide != here
        still = torch.stack([one == here for one in near]).all(dim=0)
        if _share(follows[moves]) > _MOST and _share(still[follows]) > _MOST:
            far = [coarse, *(along(times * _COARSE) for times in range(2, 8))]
            return cls(_fourth(far), here, sizes, quantised=True, range_of=wide - here)
        return cls(_second(near), here, sizes, range_of=wide - here)

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


def staircase(along: Callable[[float], Tensor], size: float) -> Tensor:
    """Rounding that only wider steps show, as that of 1 + erf(x) far out: it is as large at one step size as
    at a sixteenth of it, where a curvature's share is 65,536 times smaller. What turns faster than the steps
    looks the same, and is larger than any rounding at inputs of that size.
    """
    rows = (_fourth([along(times * scale) for times in range(7)]) for scale in _SCALES)
    wide, narrow = (torch.nan_to_num(row.square().mean(dim=0).sqrt()) for row in rows)
    seen = torch.minimum(wide, 16 * narrow)
    return (seen * (seen < _HAIR * along(0.0).abs().clamp(min=size)))[None]


def _typical(outputs: Tensor, sizes: Sequence[int]) -> Tensor:
    """The root mean square of the tensor that an output belongs to."""
    parts = [part.square().mean().sqrt().expand_as(part) for part in torch.split(outputs, list(sizes))]
    return torch.cat(parts) if parts else outputs


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
