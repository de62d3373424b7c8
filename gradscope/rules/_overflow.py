"""Gradients beyond the range of float16: told from true infinities, and from the search for a loss scale."""

from __future__ import annotations

import math

from gradscope.facts import GradientStats, NonfiniteBirth, Recording
from gradscope.finding import Location
from gradscope.rules._loss_scale import LARGEST
from gradscope.rules._words import by_name

_RARELY = 0.1  # of the backwards: a scaler that has found its scale tries a larger one now and then
_PATIENCE = 4  # backwards for each halving: micro-batches, and a scaler that waits


def overflows(birth: NonfiniteBirth) -> bool:
    """Whether only the range of float16 made it: in float32 it would have been finite."""
    return birth.true_largest is not None or _is_sum(birth)


def _is_sum(birth: NonfiniteBirth) -> bool:
    """Whether float16 gradients of several paths, each of them finite, add up to Inf."""
    got = birth.incoming
    return (
        birth.origin == "sum" and got is not None and got.dtype == "float16" and got.inf > 0 and not got.nan
    )


def excess(birth: NonfiniteBirth) -> int:
    """How often the loss has to be halved for this gradient to fit; 1 where its size is not known."""
    largest = birth.true_largest
    return 1 if largest is None else max(1, math.ceil(math.log2(largest / LARGEST)))


def fitting_scale(birth: NonfiniteBirth) -> float:
    """The highest loss scale at which this gradient fits, relative to the scale it had (1 without one)."""
    return math.ldexp(1.0 if birth.scale is None else birth.scale, -excess(birth))


def stats(recording: Recording, birth: NonfiniteBirth) -> list[GradientStats]:
    """What the leaves that it reached got over the run."""
    leaves = by_name(recording)
    return [leaf.gradient for name in birth.reached if (leaf := leaves.get(name)) and leaf.gradient]


def is_over(recording: Recording, birth: NonfiniteBirth) -> bool:
    """Whether the leaves that it reached got finite gradients in the end: no step was spoiled."""
    known = stats(recording, birth)
    return bool(known) and all(
        one.nonfinite_backwards < one.backwards and math.isfinite(one.last_norm) for one in known
    )


def is_searched(recording: Recording, birth: NonfiniteBirth, fits: float) -> bool:
    """Whether the program skips such steps, and has not had the time to find the loss scale that fits.

    A GradScaler shows its scale; a scaler of the program's own is known by a loss that stays finite.
    """
    if birth.scale is not None:
        last = birth.last_scale if birth.last_scale is not None else birth.scale
        return last > fits
    known = stats(recording, birth)
    if recording.backward_passes <= birth.step or not _stays_finite(recording, birth.backward):
        return False
    rare = all(one.nonfinite_backwards <= _RARELY * one.backwards for one in known)
    return rare or birth.count <= _PATIENCE * (excess(birth) + 1)


def _stays_finite(recording: Recording, backward: Location | None) -> bool:
    losses = [
        one.last_loss
        for one in recording.backwards
        if backward is not None and one.location is not None and one.location.at == backward.at
    ]
    return bool(losses) and all(loss is not None and math.isfinite(loss) for loss in losses)
