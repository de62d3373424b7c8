"""Where two gradients differ: the worst element, the output it belongs to, and the number that is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.cases import Setting
from gradscope.checker.cases._forms import (
    TOLERANCE,
    BackwardRaised,
    Give,
    Gradients,
    Refused,
    apart,
    evaluated,
    furthest,
    gradients_of,
    nudged,
)
from gradscope.checker.cases._values import inner
from gradscope.checker.point import Deadline, Point
from gradscope.facts.checks import Cause, WrongGradient
from gradscope.recorder.stats import unravelled


@dataclass(frozen=True, slots=True)
class _Entry:
    """One element of the Jacobian, or of a sum of its rows where `output_element` is None."""

    input: int
    element: tuple[int, ...]
    output: int
    output_element: tuple[int, ...] | None
    cotangents: list[Tensor]
    analytical: float
    expected: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The evaluation whose gradient is right: a point, and how its tensors are given.

    `pull` makes the right gradient at a point where that is not simply what comes back there.
    """

    point: Point
    give: Give | None = None
    pull: Callable[[Point], Gradients] | None = None

    def at(self, point: Point) -> Gradients:
        """The right gradients at another point."""
        return gradients_of(point, self.give) if self.pull is None else self.pull(point)

    @property
    def gradients(self) -> Gradients:
        """The right gradients."""
        return self.at(self.point)


def wrong_gradient(
    setting: Setting,
    truth: Truth,
    ours: Gradients,
    cotangents: Sequence[Tensor],
    *,
    condition: str,
    single: bool = True,
) -> WrongGradient | None:
    """The fact that `ours` is not the gradient where the truth's is, although the values are the same.

    None where the difference is no fault: the gradient is that sensitive to its inputs, or the numerical
    derivative agrees with `ours` too (a kink). `single` says that `ours` takes cotangents of one element.
    """
    right = truth.gradients
    found, expected = ours(cotangents), right(cotangents)
    marks = apart(found, expected)
    if not any(bool(mark.any()) for mark in marks) or _is_sensitive(truth, cotangents, found, expected):
        return None
    entry = _worst(ours, right, cotangents, found, expected, marks, single, setting.deadline)
    numerical, uncertainty = entry.expected, TOLERANCE * abs(entry.expected)
    if not setting.deliberate:
        measured = _measured(truth, entry)
        if measured is not None:
            low, high, numerical, uncertainty = measured
            if low <= entry.analytical <= high:
                return None
    mark = marks[entry.input]
    return WrongGradient(
        input=entry.input,
        input_name=truth.point.name(entry.input),
        element=entry.element,
        output=entry.output,
        output_element=entry.output_element,
        analytical=entry.analytical,
        numerical=numerical,
        uncertainty=uncertainty,
        cause=Cause.FORMULA,
        wrong=int(mark.sum()),
        looked_at=mark.numel(),
        condition=condition,
    )


def _is_sensitive(
    truth: Truth, cotangents: Sequence[Tensor], found: Sequence[Tensor], expected: Sequence[Tensor]
) -> bool:
    """Whether a change of the inputs by 1e-7 moves the gradient about as much as the form did."""
    try:
        moved = truth.at(nudged(truth.point))(cotangents)
    except (Refused, BackwardRaised):
        return True
    return not furthest(found, expected) > 10 * furthest(moved, expected)


def _worst(
    ours: Gradients,
    right: Gradients,
    cotangents: Sequence[Tensor],
    found: Sequence[Tensor],
    expected: Sequence[Tensor],
    marks: Sequence[Tensor],
    single: bool,
    deadline: Deadline,
) -> _Entry:
    """The element that differs most, and by halving the cotangents the output element it comes from.

    Where time runs out before that is found, the number is that of a random sum of the outputs.
    """
    differences = [
        torch.where(mark, (one - other).abs().nan_to_num(math.inf), 0.0)
        for one, other, mark in zip(found, expected, marks, strict=True)
    ]
    number = max(range(len(marks)), key=lambda each: _relative(differences[each], expected[each]))
    place = int(differences[number].reshape(-1).argmax())
    element = unravelled(place, differences[number].shape)
    chosen = [one.clone() for one in cotangents]
    output, output_element = 0, None

    def difference(tried: Sequence[Tensor]) -> float:
        one, other = (pull(tried)[number].reshape(-1)[place] for pull in (ours, right))
        return float((one - other).abs().nan_to_num(math.inf))

    total = sum(one.numel() for one in cotangents)
    if single and total:
        low, high = 0, total
        while high - low > 1 and not deadline.is_over:
            middle = (low + high) // 2
            first = difference(_restricted(cotangents, low, middle))
            second = difference(_restricted(cotangents, middle, high))
            low, high = (low, middle) if first >= second else (middle, high)
        ones = [torch.ones_like(one) for one in cotangents]
        unit = _restricted(ones, low, high)
        if high - low == 1 and difference(unit) > 0:
            chosen = unit
            output, rest = _split(low, cotangents)
            output_element = unravelled(rest, cotangents[output].shape)
    analytical = ours(chosen)[number].reshape(-1)[place]
    value = right(chosen)[number].reshape(-1)[place]
    return _Entry(number, element, output, output_element, chosen, _real(analytical), _real(value))


def _relative(difference: Tensor, right: Tensor) -> float:
    if not difference.numel():
        return 0.0
    return float(difference.max()) / (float(right.abs().max()) + 1e-30)


def _restricted(cotangents: Sequence[Tensor], low: int, high: int) -> list[Tensor]:
    """Cotangents that are zero outside these positions, counted over all outputs."""
    kept, start = [], 0
    for one in cotangents:
        flat = torch.zeros(one.numel(), dtype=one.dtype, device=one.device)
        first, last = max(low - start, 0), max(min(high - start, one.numel()), 0)
        flat[first:last] = one.reshape(-1)[first:last]
        kept.append(flat.reshape(one.shape))
        start += one.numel()
    return kept


def _split(position: int, tensors: Sequence[Tensor]) -> tuple[int, int]:
    for number, one in enumerate(tensors):
        if position < one.numel():
            return number, position
        position -= one.numel()
    raise IndexError(position)


def _real(value: Tensor) -> float:
    return float(value.real if value.is_complex() else value)


_STEP = 1e-3


def _measured(truth: Truth, entry: _Entry) -> tuple[float, float, float, float] | None:
    """The numerical derivative: the range in which an analytical one is right, its value and uncertainty.

    At a kink the range reaches from one one-sided derivative to the other. None where it cannot be told.
    """
    index = truth.point.active[entry.input]
    value = truth.point.leaves[index]
    here = abs(complex(value[entry.element].item()))
    step = _STEP * max(here, 1e-2)

    def along(distance: float) -> float:
        moved = value.clone()
        moved[entry.element] += distance
        outputs = evaluated(truth.point.with_leaves({index: moved}), truth.give).values
        return sum(inner(one, other) for one, other in zip(entry.cotangents, outputs, strict=True))

    try:
        middle = along(0.0)
        coarse, fine = ((along(h), along(-h)) for h in (step, step / 2))
    except Refused:  # beside the point
        return None
    wide = (coarse[0] - coarse[1]) / (2 * step)
    close = (fine[0] - fine[1]) / step
    numerical = (4 * close - wide) / 3
    sides = ((fine[0] - middle) / (step / 2), (middle - fine[1]) / (step / 2))
    if not all(map(math.isfinite, (numerical, *sides))):
        return None
    uncertainty = abs(close - wide) / 3 + 1e-14 * abs(middle) / step
    margin = 10 * uncertainty + TOLERANCE * abs(numerical)
    is_kink = abs(sides[0] - sides[1]) > 0.05 * max(map(abs, sides)) and abs(close - wide) < 1e-6
    reach = sides if is_kink else (numerical, numerical)
    return min(reach) - margin, max(reach) + margin, numerical, uncertainty
