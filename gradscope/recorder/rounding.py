"""How much of a float16 gradient is nothing but rounding: what a change of its last digit does to it.

Where a loss does not depend on a parameter (the mean of what a BatchNorm gives, say), the gradient is 0 but
for rounding errors, which are as small as they like. That float16 flushes those is no loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.recorder.rerun import run_again

NOISY = 0.5  # of the 2-norm: what one unit in the last place of every element may change
_LAST_DIGIT = 0.75 * 2.0**-10  # rounds to one unit in the last place of a float16 number, whatever its digits
_LEAST = 0.75 * 2.0**-24  # likewise below the smallest normal number
_CANCELS = ("Norm", "Softmax")

Gradients = Sequence[Tensor | None]


def may_cancel(label: str) -> bool:
    """Whether the backward of an op takes differences of what it gets: it may leave rounding errors only."""
    return any(word in label for word in _CANCELS)


def rounding_noise(node: Any, whole: Gradients, exact: Sequence[bool], true: Gradients) -> list[float]:
    """For each edge of a node, by how much of its 2-norm a last digit of what comes in changes what it gives.

    `whole` is what comes in, `true` what the node gives then, both in float32. What comes in as float32
    is exact enough, and changes nothing; where `exact`, so is what float16 rounded near its lower end.
    """
    types = [meta.dtype for meta in node._input_metadata]
    moved: list[Tensor | None] = []
    for g, dtype, is_exact in zip(whole, types, exact, strict=True):
        is_half = g is not None and dtype is torch.float16
        moved.append(_shaken(g, 0.0 if is_exact else _LEAST) if is_half and g is not None else g)
    if all(one is other for one, other in zip(moved, whole, strict=True)):
        return [0.0] * len(true)
    shaken = run_again(node, moved, true)
    if shaken is None:
        return [0.0] * len(true)
    return [_change(one, other) for one, other in zip(shaken, true, strict=True)]


def _shaken(gradient: Tensor, least: float) -> Tensor:
    """The gradient with each element moved by one unit in its last place, up or down without a pattern."""
    number = torch.arange(gradient.numel(), device=gradient.device)
    signs = 1 - 2 * ((number * 2_654_435_761 >> 15) & 1)
    by = (gradient.abs() * _LAST_DIGIT).clamp(min=least) * (gradient != 0)
    return gradient + by * signs.view(gradient.shape)


def _change(shaken: Tensor | None, true: Tensor | None) -> float:
    if shaken is None or true is None:
        return 0.0
    whole = float(torch.linalg.vector_norm(true, dtype=torch.float32))
    change = float(torch.linalg.vector_norm(shaken - true.to(torch.float32)))
    return change / whole if whole and math.isfinite(change) else 0.0
