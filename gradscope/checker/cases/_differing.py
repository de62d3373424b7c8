"""A gradient held against the same gradient computed under other conditions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradscope.checker.cases._values import dense, norm
from gradscope.checker.point import Point
from gradscope.facts.checks import Cause, WrongGradient
from gradscope.recorder.stats import unravelled

TOLERANCE = 1e-8
"""Relative, in float64: what another order of the same sums may change."""


def differing(
    point: Point, number: int, got: Tensor | None, right: Tensor | None, condition: str
) -> WrongGradient | None:
    """The fact that the gradient of the active tensor of that number is `got` under a condition, not `right`.

    None where they agree, where there is no right one, and where their shapes differ. The values are those
    of the gradient of one random sum of the outputs, at the element where the two are furthest apart.
    """
    if right is None or (got is not None and got.shape != right.shape):
        return None
    expected = dense(right)
    actual = torch.zeros_like(expected) if got is None else dense(got)
    apart = (actual - expected).abs().nan_to_num(float("inf"))
    scale = norm(expected)
    if not torch.isfinite(expected).all() or norm(apart) <= TOLERANCE * max(scale, 1e-30):
        return None
    limit = TOLERANCE * float(expected.abs().max())
    worst = int(apart.reshape(-1).argmax())
    return WrongGradient(
        input=number,
        input_name=point.name(number),
        element=unravelled(worst, expected.shape),
        output=0,
        output_element=None,
        analytical=None if got is None else float(actual.reshape(-1)[worst].real),
        numerical=float(expected.reshape(-1)[worst].real),
        uncertainty=limit,
        cause=Cause.MISSING if got is None else Cause.FORMULA,
        wrong=int((apart > limit).sum()),
        looked_at=expected.numel(),
        condition=condition,
    )


def is_told(fact: WrongGradient, others: Sequence[WrongGradient]) -> bool:
    """Whether another fact speaks of the same input already: one cause, one fact."""
    return any(fact.input == other.input for other in others)
