"""In what way a gradient is wrong: tried from the plainest explanation on, told only where it explains all.

An explanation is compared with the backward's gradients at every cotangent and every element that was
looked at; it counts when nothing is left but noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.numeric.bisection import Search
from gradscope.checker.numeric.directional import Directional, Input, unit
from gradscope.checker.numeric.entry import Column
from gradscope.checker.numeric.evidence import Evidence
from gradscope.checker.numeric.factors import constant_factor, factor_of_a_tensor, fitted
from gradscope.checker.numeric.gradients import Analytical, BackwardRaised, Forward, ForwardRaised
from gradscope.checker.numeric.places import place_of
from gradscope.checker.numeric.steps import Verdict
from gradscope.checker.point import Point
from gradscope.facts.checks import Pattern

_EXACT = 1e-9
_TRANSPOSED = 6
_COLUMNS = 3

Told = tuple[Pattern, str] | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else the explanations need: the function, and its other inputs."""

    point: Point
    analytical: Analytical
    directional: Directional
    inputs: Sequence[Input]


def pattern_of(evidence: Evidence, search: Search, around: Surroundings) -> tuple[Pattern, str]:
    """The pattern and its words; `Pattern.NONE` and "" where the difference follows none that is known."""
    wrong = evidence.only_wrong()
    explained = next((told for told in _explanations(wrong, search, around) if told is not None), None)

    def agree(coordinates: Tensor) -> bool:
        left = coordinates[~search.excluded[coordinates]]
        return not left.numel() or search.try_group(left).verdict is Verdict.AGREES

    place = place_of(evidence, around.point, agree)
    if explained is None:
        return place or (Pattern.NONE, "")
    pattern, words = explained
    if place is None:
        every = "every element is " if pattern is Pattern.FACTOR and words[0].isdigit() else ""
        return pattern, every + words
    return pattern, f"{words}, {place[1]}"


def _explanations(wrong: Evidence, search: Search, around: Surroundings) -> Iterator[Told]:
    yield _missing_grad_output(wrong, around)
    yield _zero(wrong)
    yield constant_factor(wrong, around.point, _Ratio(wrong, around))
    yield _swapped(wrong, around)
    yield _transposed(wrong, search)
    yield factor_of_a_tensor(wrong, around.point)
    yield _missing_reduction(wrong, around)
    yield _offset(wrong)


def _missing_grad_output(wrong: Evidence, around: Surroundings) -> Told:
    """The backward gives the same for a cotangent and for three times it."""
    cotangent = around.directional.cotangents[0]
    places = wrong.coordinates
    number = wrong.at.number
    once, thrice = (
        around.analytical.gradients([size * cotangent]).values[number][0, places] for size in (1.0, 3.0)
    )
    if not bool((once != 0).any()) or not _close(once, thrice):
        return None
    return Pattern.MISSING_GRAD_OUTPUT, "the incoming gradient is not multiplied in: grad_output is not used"


def _zero(wrong: Evidence) -> Told:
    if bool((wrong.analytical == 0).all()):
        return Pattern.ZERO, "the gradient is 0"
    return None


def _swapped(wrong: Evidence, around: Surroundings) -> Told:
    """It equals another input's gradient: as backward gives it, or as it is."""
    for other in around.inputs:
        if other.number == wrong.at.number or len(other) != len(wrong.at):
            continue
        theirs = other.gradients[:, wrong.coordinates]
        if _close(wrong.analytical, theirs) or wrong.explains(_numerical(wrong, other, around)):
            return Pattern.SWAPPED, f"it is the gradient of {other.name}"
    return None


def _numerical(wrong: Evidence, other: Input, around: Surroundings) -> Tensor:
    """The numerical gradient of another input at the elements looked at: of the first few, NaN for others."""
    values = wrong.analytical.clone()
    for place, coordinate in enumerate(wrong.coordinates.tolist()[:_TRANSPOSED]):
        estimate = around.directional.estimate(other, unit(other, coordinate), around.directional.steps[0])
        values[:, place] = estimate.numerical / other.scale[coordinate]
    return values


def _transposed(wrong: Evidence, search: Search) -> Told:
    """Each element has the gradient of the one across the diagonal of the last two dimensions."""
    shape = wrong.at.like.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or wrong.at.like.is_complex():
        return None
    across = torch.arange(len(wrong.at), device="cpu").reshape(shape).transpose(-1, -2).reshape(-1)
    off = [place for place, own in enumerate(wrong.coordinates.tolist()) if int(across[own]) != own]
    if not off:
        return None
    expected = wrong.analytical.clone()
    for place in off[:_TRANSPOSED]:
        other = int(across[wrong.coordinates[place]])
        seen = search.element(other)
        if seen.estimate is None:
            return None
        expected[:, place] = seen.estimate.numerical / wrong.at.scale[other]
    return (Pattern.TRANSPOSE, "it is the transpose of the gradient") if wrong.explains(expected) else None


def _missing_reduction(wrong: Evidence, around: Surroundings) -> Told:
    """Only one slice of the output contributes, where all of them should."""
    if len(around.analytical.like) != 1 or around.analytical.like[0].is_complex():
        return None
    shape = around.analytical.like[0].shape
    chosen = wrong.coordinates[:_COLUMNS].tolist()
    columns = [
        Column(around.directional, wrong.at, coordinate, around.directional.steps[0]) for coordinate in chosen
    ]
    few = Evidence(
        wrong.at,
        wrong.coordinates[: len(chosen)],
        wrong.analytical[:, : len(chosen)],
        wrong.numerical[:, : len(chosen)],
        wrong.tolerance[:, : len(chosen)],
        wrong.wrong[: len(chosen)],
    )
    terms = torch.stack([around.directional.cotangents * column.values for column in columns], dim=1)
    terms = terms.reshape(*terms.shape[:2], *shape)
    for dimension, length in enumerate(shape):
        for index in (0, length - 1) if length > 1 else ():
            part = terms.select(dimension + 2, index).reshape(*terms.shape[:2], -1).sum(dim=2)
            if few.explains(part):
                which = "first" if index == 0 else "last"
                return (
                    Pattern.MISSING_REDUCTION,
                    f"only the {which} index of the output's dimension {dimension} contributes: "
                    "the sum over it is missing",
                )
    return None


def _offset(wrong: Evidence) -> Told:
    """A number is added that is the same for all elements, or for all along the last dimension."""
    if len(wrong) < 3:
        return None
    apart = wrong.analytical - wrong.numerical
    middle = apart.median(dim=1, keepdim=True).values
    if wrong.explains(wrong.numerical + middle):
        if float((middle - middle[0]).abs().max()) <= 1e-6 * float(middle.abs().max()):
            return Pattern.OFFSET, f"right but for {float(middle[0]):.4g}, which is added to every element"
        return Pattern.OFFSET, "right but for a term that is the same for every element"
    leading: dict[tuple[int, ...], list[int]] = {}
    for place, index in enumerate(wrong.indices):
        leading.setdefault(index[:-1], []).append(place)
    several = [places for places in leading.values() if len(places) > 1]
    if len(wrong.at.like.shape) < 2 or sum(map(len, several)) < 6:
        return None
    expected = wrong.analytical.clone()
    for places in several:
        expected[:, places] = wrong.numerical[:, places] + apart[:, places].mean(dim=1, keepdim=True)
    if wrong.explains(expected):
        return Pattern.OFFSET, "right but for a term that is the same along each row of the last dimension"
    return None


class _Ratio:
    """The factor of a wrong gradient when a scalar argument has another value."""

    def __init__(self, wrong: Evidence, around: Surroundings) -> None:
        self._wrong = wrong
        self._around = around

    def __call__(self, place: int, value: float) -> float | None:
        """Analytical over numerical at one wrong element; None where that cannot be told."""
        around, at = self._around, self._wrong.at
        point = around.point.with_leaves({place: value})
        try:
            analytical = Analytical(point)
            if analytical.size != around.analytical.size:
                return None
            cotangents = around.directional.cotangents
            changed = Input(point, at.number, analytical.gradients(list(cotangents)))
            there = Directional(Forward(point, analytical), cotangents, around.directional.noise)
            coordinate = int(self._wrong.coordinates[0])
            estimate = there.estimate(changed, unit(changed, coordinate), there.steps[0])
        except (BackwardRaised, ForwardRaised):
            return None
        return (
            fitted(estimate.numerical + estimate.difference, estimate.numerical) if estimate.finite else None
        )


def _close(one: Tensor, other: Tensor) -> bool:
    size = float(torch.maximum(one.abs(), other.abs()).max()) if one.numel() else 0.0
    return bool(((one - other).abs() <= _EXACT * size).all())
