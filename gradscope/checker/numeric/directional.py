"""Directional derivatives: the difference between backward's and forward's, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import flat, shaped, step_scale
from gradscope.checker.numeric.gradients import Forward, Gradients
from gradscope.checker.numeric.noise import Noise
from gradscope.checker.point import Point

_ROUNDINGS = 16.0  # of the noise in one evaluation: 8 standard deviations of what it does to Richardson's
_FAR = 2.0**-4
_DOT = 1e-13  # relative rounding of the products themselves, over many terms


@dataclass(frozen=True, slots=True)
class Estimate:
    """One step size; a number for each cotangent, in units of the derivative along the direction.

    `difference` is analytical minus numerical, `numerical` Richardson's extrapolation from a step and its
    half, `tolerance` what their disagreement (`apart`) and the noise of forward (`noise`) leave uncertain.
    """

    step: float
    difference: Tensor
    numerical: Tensor
    tolerance: Tensor
    apart: Tensor
    noise: Tensor

    @property
    def finite(self) -> bool:
        """Whether every number is."""
        return bool(self.difference.isfinite().all() and self.tolerance.isfinite().all())

    @property
    def disagrees(self) -> bool:
        """Whether some cotangent's difference is beyond its tolerance."""
        return bool((self.difference.abs() > self.tolerance).any())

    @property
    def excess(self) -> float:
        """The largest difference in units of its tolerance."""
        return float((self.difference.abs() / self.tolerance.clamp(min=1e-300)).max())


class Input:
    """One active input as a vector, how far its elements can be moved, and its gradients.

    `directions` are given in the input's own units times its scale: a step of 1e-3 moves every element by
    about a thousandth of its size.
    """

    def __init__(self, point: Point, number: int, gradients: Gradients) -> None:
        self.number = number
        self.place = point.active[number]
        self.name = point.name(number)
        self.like = point.tensors[number]
        self.at = flat(self.like)
        self.scale = step_scale(self.at)
        finite = self.at.isfinite()
        self.finite = None if bool(finite.all()) else finite  # infinite elements cannot be moved
        self.gradients = gradients.values[number]  # a row for each cotangent
        self.returned = gradients.returned[number]
        size = self.gradients.abs() * self.scale
        self.sizes = torch.nan_to_num(size, nan=0.0, posinf=0.0).max(dim=0).values if size.numel() else size

    def __len__(self) -> int:
        return self.at.numel()

    def moved(self, offset: Tensor) -> tuple[Tensor, Tensor]:
        """The input at an offset, and as the vector that it became."""
        values = self.at + offset
        tensor = shaped(values, self.like)
        return tensor, (values if self.like.dtype in _EXACT else flat(tensor))


_EXACT = (torch.float64, torch.complex128)


class Directional:
    """Central differences of the compared outputs, against the gradients at the same cotangents."""

    def __init__(
        self,
        forward: Forward,
        cotangents: Tensor,
        noise: Noise,
        finer: Callable[[Noise], Noise] | None = None,
    ) -> None:
        self.forward = forward
        self.cotangents = cotangents
        self.noise = noise
        self._finer = finer

    def look_closer(self) -> None:
        """Measures the noise in every way: before a difference counts, once."""
        if self._finer is not None:
            finer, self._finer = self._finer, None
            self.noise = finer(self.noise)

    @property
    def steps(self) -> tuple[float, ...]:
        """The step sizes to try first: the smallest ones that rounding allows."""
        return (2.0**-7, 2.0**-5, 2.0**-9) if self.noise.quantised else (2.0**-16, 2.0**-11, 2.0**-21)

    def pair(self, at: Input, direction: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """The difference of the outputs over x - step * direction ... x + step * direction, and of x."""
        upper, above = at.moved(step * direction)
        lower, below = at.moved(-step * direction)
        difference = self.forward({at.place: upper}) - self.forward({at.place: lower})
        moved = above - below
        return difference, moved if at.finite is None else moved.where(at.finite, 0.0)

    def touched(self, at: Input, direction: Tensor) -> Tensor:
        """The outputs that a wide step changes; all of them where it changes none.

        One that a small step leaves as it is may still have changed by less than its last place.
        """
        touched = self.pair(at, direction, _FAR)[0] != 0
        return touched if bool(touched.any()) else torch.ones_like(touched)

    def estimate(self, at: Input, direction: Tensor, step: float, touched: Tensor | None = None) -> Estimate:
        """Richardson's extrapolation from two central differences: four evaluations of forward.

        Outputs that are `touched` count as uncertain even where they did not change.
        """
        cotangents, known = self.cotangents, at.gradients
        wide, narrow = self.pair(at, direction, step), self.pair(at, direction, step / 2)
        changed = narrow[0] != 0
        if self.noise.quantised and touched is None:
            touched = self.touched(at, direction)
        if touched is not None:
            changed = changed | touched
        coarse, coarse_expected = (cotangents @ wide[0]) / (2 * step), (known @ wide[1]) / (2 * step)
        fine, fine_expected = (cotangents @ narrow[0]) / step, (known @ narrow[1]) / step
        rough = coarse_expected - coarse
        sharp = fine_expected - fine
        difference = (4 * sharp - rough) / 3
        noise = self.noise.of(cotangents, changed) * (_ROUNDINGS / step)
        terms = known.abs() @ narrow[1].abs() / step
        apart = (sharp - rough).abs()
        tolerance = apart + noise + _DOT * terms
        if touched is not None:
            tolerance = torch.maximum(tolerance, self.noise.floor(cotangents) * (_ROUNDINGS / _FAR))
        return Estimate(step, difference, fine_expected - difference, tolerance, apart, noise + _DOT * terms)

    def resolves(self, estimate: Estimate, wanted: float) -> bool:
        """Whether an error of that size could not hide in the tolerance."""
        return estimate.finite and bool((estimate.tolerance <= wanted).all())


def direction_over(at: Input, group: Tensor, numbers: Tensor) -> Tensor:
    """A direction that is 0 outside a group of coordinates."""
    direction = torch.zeros(len(at), dtype=torch.float64, device="cpu")
    direction[group] = numbers[group] * at.scale[group]
    return direction


def unit(at: Input, coordinate: int) -> Tensor:
    """The direction of one coordinate, by its own scale."""
    direction = torch.zeros(len(at), dtype=torch.float64, device="cpu")
    direction[coordinate] = at.scale[coordinate]
    return direction


def best(estimates: Sequence[Estimate]) -> Estimate | None:
    """The surest of several step sizes; None where none is finite."""
    finite = [one for one in estimates if one.finite]
    return min(finite, key=lambda one: float(one.tolerance.max()), default=None)
