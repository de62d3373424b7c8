"""Second derivatives in the sample's own dtype, where those in float64 are lost or wrong.

A forward that computes in float32 and returns `y.to(x.dtype)` saves its output for float32 arguments, and
an intermediate for all others: whether what it saves has a graph depends on the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradscope.checker.cases import Setting
from gradscope.checker.cases._first_gradients import first_gradients
from gradscope.checker.cases._passes import (
    ProgramRaised,
    as_given,
    cotangents_for,
    differentiable_outputs,
    forward,
    gradients,
)
from gradscope.checker.cases._values import inner
from gradscope.checker.point import Point, is_differentiable

_STEP = 1e-3
_DIRECTIONS = 3
_TOLERANCE = 0.02  # relative: a step this long, next to float32; what is lost differs by all of itself


def is_right_as_given(setting: Setting, number: int, *, by_inputs: bool) -> bool:
    """Whether the second derivative by the active tensor (or cotangent) of that number is right in the
    sample's own dtype; False where that is the float64 in which it was found to be wrong.
    """
    given = as_given(setting)
    if _dtypes(given) == _dtypes(setting.point):
        return False
    try:
        own = first_gradients(given, by_inputs=by_inputs)
        exact = first_gradients(setting.point, by_inputs=by_inputs)
        if own is None or exact is None:
            return False
        done = forward(own)
        outputs = differentiable_outputs(done)
        cotangents = cotangents_for(outputs)
        found = gradients(done, outputs, cotangents)[number]
        places = [at for at, output in enumerate(done.outputs) if output.requires_grad]
        return found is not None and _agrees(found, exact, places, cotangents, number)
    except ProgramRaised:
        return False


def _dtypes(point: Point) -> list[torch.dtype]:
    return [leaf.dtype for leaf in point.leaves if is_differentiable(leaf)]


def _agrees(
    found: Tensor, exact: Point, places: Sequence[int], cotangents: Sequence[Tensor], number: int
) -> bool:
    """Whether a gradient agrees with central differences of the first gradients along random directions."""
    index, generator = exact.active[number], torch.Generator().manual_seed(0)
    here = exact.leaves[index]
    ours, slopes = [], []
    for _ in range(_DIRECTIONS):
        drawn = torch.randn(here.shape, generator=generator, dtype=torch.float64, device="cpu")
        line = drawn.to(here.device, here.dtype)
        above, below = (exact.values({index: here + way * _STEP * line}) for way in (1, -1))
        pairs = zip(places, cotangents, strict=True)
        slopes.append(
            sum(inner(one.to(above[at].dtype), above[at] - below[at]) for at, one in pairs) / (2 * _STEP)
        )
        ours.append(inner(found.to(line.dtype), line))
    return math.dist(ours, slopes) <= _TOLERANCE * math.hypot(*slopes)
