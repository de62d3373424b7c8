"""The order of a training step: zeroing, clipping, stepping."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class StaleGradient:
    """A backward that added to gradients which an earlier step had used and nothing had zeroed.

    `location` is that backward, `step` the step that then used the sum, `left_by` the backward whose
    gradients were still there, `zeroed_at` where these gradients are zeroed at another time. Where the
    owner had not stepped in between, and another optimizer had, `other_step` is that one's step. Leaves
    that the program steps itself have no `step` and no `optimizer`. `count` is how many steps used such
    a sum, of the `steps` seen there.
    """

    location: Location | None
    step: Location | None
    optimizer: str | None
    leaves: tuple[str, ...]
    left_by: Location | None = None
    other_step: Location | None = None
    zeroed_at: Location | None = None
    count: int = 1
    steps: int = 0


class ClipOrder(StrEnum):
    """When gradients were clipped that should not have been then."""

    BEFORE_BACKWARD = "before-backward"
    AFTER_STEP = "after-step"
    BEFORE_UNSCALE = "before-unscale"
    BETWEEN_BACKWARDS = "between-backwards"


@dataclass(frozen=True, slots=True)
class ClipOutOfOrder:
    """A call that clips gradients at the wrong time; `backward` and `step` are those it should lie between.

    `scale` is the loss scale of a gradient that was still multiplied by it.
    """

    kind: ClipOrder
    location: Location | None
    backward: Location | None = None
    step: Location | None = None
    scale: float | None = None
    count: int = 1


class StepOrder(StrEnum):
    """What was wrong with the time of a step."""

    NO_GRADIENT = "no-gradient"  # every gradient None, at every step
    ZEROED = "zeroed"  # what backward gave was zeroed before the step, at every step
    INSIDE_PASS = "inside-pass"  # between a forward and its backward
    PAST_SCALER = "past-scaler"  # gradients still multiplied by the loss scale
    SCHEDULER_FIRST = "scheduler-first"  # the scheduler stepped before the optimizer did


@dataclass(frozen=True, slots=True)
class StepOutOfOrder:
    """Steps at one line that came at the wrong time.

    `location` is the step, that of the scheduler for SCHEDULER_FIRST. `backward` is the backward (or
    the `autograd.grad`) concerned, `other` the zeroing line for ZEROED, the optimizer's step for
    SCHEDULER_FIRST. `grad_call` says that `backward` is an `autograd.grad`, which fills no `.grad`.
    """

    kind: StepOrder
    location: Location | None
    optimizer: str
    backward: Location | None = None
    other: Location | None = None
    grad_call: bool = False
    scale: float | None = None
    count: int = 1
