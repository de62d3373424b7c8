"""A gradient that is a multiple of the right one: by which number, and where that number comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import flat
from gradscope.checker.numeric.evidence import Evidence
from gradscope.checker.point import Point
from gradscope.facts.checks import Pattern

_CLOSE = 1e-6
_FEWEST = 2

Ratio = Callable[[int, float], float | None]
"""The factor that is measured when a scalar argument (by its place among the leaves) has another value."""


def constant_factor(evidence: Evidence, point: Point, ratio: Ratio) -> tuple[Pattern, str] | None:
    """One factor for all wrong elements and all cotangents."""
    if len(evidence) < _FEWEST and len(evidence.at) > 1:
        return None
    factor = fitted(evidence.analytical, evidence.numerical)
    if factor is None or factor == 0.0 or not evidence.explains(factor * evidence.numerical):
        return None
    if abs(factor + 1) < _CLOSE:
        return Pattern.SIGN, "the sign is wrong"
    return Pattern.FACTOR, f"{_in_words(factor)}{_origin(factor, point, ratio)}"


def fitted(analytical: Tensor, numerical: Tensor) -> float | None:
    """The factor that fits best; None where there is nothing to fit."""
    weight = float((numerical * numerical).sum())
    if not weight:
        return None
    return float((analytical * numerical).sum()) / weight


def factor_of_a_tensor(evidence: Evidence, point: Point) -> tuple[Pattern, str] | None:
    """One factor for each element, the same for all cotangents: the values of an argument, or 1 over them."""
    if len(evidence) < 3 or bool((evidence.numerical == 0).any()) or evidence.at.like.is_complex():
        return None
    for name, values in _tensors_like(evidence, point):
        if bool((values == 0).any()) or float(values.std()) == 0.0:
            continue
        if evidence.explains(evidence.numerical / values):
            return Pattern.FACTOR, f"the factor {name} is missing"
        if evidence.explains(evidence.numerical * values):
            return Pattern.FACTOR, f"multiplied by {name} once too often"
        if evidence.explains(-evidence.numerical / values):
            return Pattern.FACTOR, f"the factor {name} is missing, and the sign is wrong"
    return None


def _tensors_like(evidence: Evidence, point: Point) -> Iterator[tuple[str, Tensor]]:
    """The arguments that can be multiplied with the input, as numbers at the elements looked at."""
    shape = evidence.at.like.shape
    for name, leaf in zip(point.names, point.leaves, strict=True):
        if not isinstance(leaf, Tensor) or leaf.is_complex() or leaf.layout is not torch.strided:
            continue
        if leaf.numel() > 1 and leaf.dim() <= len(shape) and _fits(leaf.shape, shape):
            yield name, flat(leaf.detach().expand(shape))[evidence.coordinates]


def _fits(small: torch.Size, large: torch.Size) -> bool:
    pairs = zip(reversed(small), reversed(large), strict=False)
    return all(one in (1, other) for one, other in pairs)


def _in_words(factor: float) -> str:
    sign = " and the sign is wrong" if factor < 0 else ""
    size = abs(factor)
    if abs(size - 1) < 1e-2:
        return f"{factor:.6g} times what it should be"
    return (
        f"{_number(size)} times too large{sign}" if size > 1 else f"{_number(1 / size)} times too small{sign}"
    )


def _number(value: float) -> str:
    nearest = round(value)
    if nearest and abs(value - nearest) < _CLOSE * value:
        return str(nearest)
    return f"{value:.5g}"


def _origin(factor: float, point: Point, ratio: Ratio) -> str:
    """Where a factor comes from, as far as it can be told: "; ..." or "" where it cannot."""
    size = abs(factor)
    for place, leaf in enumerate(point.leaves):
        if not isinstance(leaf, float) or leaf in (0.0, 1.0, -1.0):
            continue
        for wanted, text in ((1 / leaf, "is missing"), (leaf, "is multiplied in once too often")):
            if abs(factor - wanted) > _CLOSE * size:
                continue
            other = leaf * 1.25
            seen = ratio(place, other)
            expected = 1 / other if wanted != leaf else other
            if seen is not None and abs(seen - expected) < 1e-4 * abs(expected):
                return f": the factor {point.names[place]}={leaf:g} {text}"
    whole = size if size > 1 else 1 / size
    nearest = round(whole)
    if nearest <= 2 or abs(whole - nearest) > _CLOSE * whole:
        return ""
    for name, leaf in zip(point.names, point.leaves, strict=True):
        if isinstance(leaf, Tensor):
            if leaf.numel() == nearest:
                return f": {nearest} is the number of elements of {name}"
            for dimension, length in enumerate(leaf.shape):
                if length == nearest:
                    return f": {nearest} is the length of {name}'s dimension {dimension}"
    return ""
