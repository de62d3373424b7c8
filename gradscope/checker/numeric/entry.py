"""The single Jacobian entry that differs most, for one element of an input that is known to differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import index_of
from gradscope.checker.numeric.directional import Directional, Input, unit
from gradscope.checker.numeric.gradients import Analytical
from gradscope.checker.numeric.steps import Examined

_UNEQUAL = 3.0  # the incoming gradient that a backward is tried with which is not linear in it


@dataclass(frozen=True, slots=True)
class Entry:
    """d output / d input: `output` counts all outputs, `output_element` is None for a sum over several."""

    output: int
    output_element: tuple[int, ...] | None
    analytical: float
    numerical: float
    uncertainty: float


class Column:
    """The numerical derivatives of all outputs by one element, and their uncertainty."""

    def __init__(self, directional: Directional, at: Input, coordinate: int, step: float) -> None:
        direction = unit(at, coordinate)
        wide, moved = directional.pair(at, direction, step)
        narrow, moved_less = directional.pair(at, direction, step / 2)
        coarse = wide / moved[coordinate]
        fine = narrow / moved_less[coordinate]
        self.values = torch.nan_to_num((4 * fine - coarse) / 3)
        rounding = 4 * directional.noise.each / moved_less[coordinate].abs()
        self.uncertainty = torch.nan_to_num((fine - coarse).abs() + rounding * (narrow != 0))


def entry(
    directional: Directional, analytical: Analytical, at: Input, coordinate: int, examined: Examined, row: int
) -> Entry:
    """Halves the outputs until one is left that differs; `row` is a cotangent whose sum does."""
    step = examined.estimate.step if examined.estimate is not None else directional.steps[0]
    column = Column(directional, at, coordinate, step)
    cotangent = directional.cotangents[row]

    def gradient(chosen: Tensor) -> float:
        return float(analytical.gradients([chosen]).values[at.number][0, coordinate])

    whole = gradient(cotangent)
    scales = math.isclose(gradient(2 * cotangent), 2 * whole, rel_tol=1e-6, abs_tol=0.0)
    if scales:
        place, incoming = _worst_output(cotangent, column.values, whole, gradient), 1.0
    else:  # a sum over outputs says nothing about its parts then
        place, incoming = int(column.values.abs().argmax()), _UNEQUAL
    for size in (incoming, 1.0):
        one = torch.zeros_like(cotangent)
        one[place] = size
        got = gradient(one) / size
        expected, uncertainty = float(column.values[place]), float(column.uncertainty[place])
        if abs(got - expected) > 2 * uncertainty or got != got:
            number, inside = analytical.output_of(place)
            element = index_of(inside, analytical.like[number])
            return Entry(analytical.positions[number], element, got, expected, uncertainty)
    expected = float(cotangent @ column.values)
    unsure = float((cotangent.square() @ column.uncertainty.square()).sqrt())
    return Entry(analytical.positions[0], None, whole, expected, unsure)


def _worst_output(
    cotangent: Tensor, column: Tensor, whole: float, gradient: Callable[[Tensor], float]
) -> int:
    """The output element where halving by the larger difference ends."""
    chosen = torch.ones_like(cotangent, dtype=torch.bool)
    difference = whole - float(cotangent @ column)
    while int(chosen.sum()) > 1:
        places = chosen.nonzero().flatten()
        first = torch.zeros_like(chosen)
        first[places[: places.numel() // 2]] = True
        masked = cotangent * first
        part = gradient(masked) - float(masked @ column)
        rest = difference - part
        if abs(part) >= abs(rest) or part != part:
            chosen, difference = first, part
        else:
            chosen, difference = chosen & ~first, rest
    return int(chosen.nonzero()[0])
