"""`--sweep x=-3:3`: forward, backward and the numerical derivative of one function, point by point."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradscope.checker.point import Point, is_differentiable
from gradscope.checker.raised import raised
from gradscope.errors import InputError, did_you_mean
from gradscope.facts.ways import Curve

_STEP = 1e-4
"""Relative to the distance between two points of the sweep and never above it: a kink halfway between two
points bends neither of their derivatives."""

_LOWEST_STEP = 1e-7
_JUMP = 0.25
"""A difference across 2h that halves with h is a slope; one that keeps more than this share beyond that
half is a jump, where there is no derivative."""


def sweep(point: Point, name: str, start: float, stop: float, count: int) -> Curve:
    """Varies one input from `start` to `stop`, all of its elements together, the others as they are.

    The outputs are added up: `forward` is their sum, `backward` and `numerical` its derivative. A value is
    NaN where the function or its backward raises, and a numerical derivative is also NaN at a jump. Raises
    InputError where there is no such input, or where the function raises at every point.
    """
    index = _index(point, name)
    step = max(_LOWEST_STEP, _STEP * (stop - start) / (count - 1))
    at = tuple(start + (stop - start) * i / (count - 1) for i in range(count))
    swept = _Swept(point, index)
    forward = tuple(swept.value(x) for x in at)
    if swept.failure and all(math.isnan(value) for value in forward):
        raise InputError(
            f"{point.subject.name} cannot be swept: it raises at every {name} from {start:g} to {stop:g}",
            where=(swept.failure,),
        )
    return Curve(
        name,
        at,
        forward,
        tuple(swept.backward(x) for x in at),
        tuple(swept.numerical(x, step) for x in at),
    )


def _index(point: Point, name: str) -> int:
    """The leaf of that name; one that is a container's is written `args[0]`."""
    found = [i for i, known in enumerate(point.names) if known == name]
    active = [point.names[i] for i in point.active]
    if not found:
        known = ", ".join(active)
        raise InputError(
            f"{point.subject.name} has no input {name} to sweep{did_you_mean(name, active)}",
            where=(f"its inputs are {known}",) if known else (),
            try_next=[f"--sweep {other}=-3:3" for other in active[:3]],
        )
    if found[0] not in point.active or not is_differentiable(point.leaves[found[0]]):
        raise InputError(
            f"{name} of {point.subject.name} is no floating-point tensor, so it cannot be swept",
            try_next=[f"--sweep {other}=-3:3" for other in active[:3]],
        )
    return found[0]


class _Swept:
    """The sum of a function's outputs, as a function of one number that an input is filled with."""

    def __init__(self, point: Point, index: int) -> None:
        self.point = point
        self.index = index
        self.failure = ""

    def filled(self, x: float) -> Tensor:
        tensor: Tensor = self.point.leaves[self.index]
        return torch.full_like(tensor, x)

    def value(self, x: float) -> float:
        """The sum of all outputs (of a complex one, of its real part); NaN where forward raises."""
        try:
            outputs = self.point.values({self.index: self.filled(x)})
        except Exception as error:  # noqa: BLE001  the user's forward may raise anything
            self.failure = raised(error)
            return math.nan
        return float(sum(_real(output).double().sum().item() for output in outputs))

    def backward(self, x: float) -> float:
        """The gradient of that sum, added up over the input's elements; NaN where backward raises."""
        point = self.point.with_leaves({self.index: self.filled(x)}, [self.index])
        try:
            run = point.differentiable()
            outputs = [output for output in run.outputs if output.requires_grad]
            if not outputs:
                return 0.0
            (gradient,) = torch.autograd.grad(
                [_real(output).sum() for output in outputs], run.inputs, allow_unused=True
            )
        except Exception as error:  # noqa: BLE001  the user's backward may raise anything
            self.failure = raised(error)
            return math.nan
        return 0.0 if gradient is None else float(_real(gradient).double().sum().item())

    def numerical(self, x: float, step: float) -> float:
        """The central difference, extrapolated from two steps; NaN at a jump or a pole."""
        here = self.value(x)
        if not math.isfinite(here):
            return math.nan
        wide = self.value(x + step) - self.value(x - step)
        narrow = self.value(x + step / 2) - self.value(x - step / 2)
        rounding = 1e-10 * (1.0 + abs(here))
        if abs(narrow - wide / 2) > _JUMP * abs(wide) + rounding:
            return math.nan
        return (8 * narrow - wide) / (6 * step)


def _real(tensor: Tensor) -> Tensor:
    return tensor.real if tensor.is_complex() else tensor
