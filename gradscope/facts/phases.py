"""The training loop as it ran: the phases of a step, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.finding import Location


class PhaseKind(StrEnum):
    """What a line of a training loop does."""

    ZERO = "zero"
    FORWARD = "forward"
    LOSS = "loss"
    SCALE = "scale"  # GradScaler.scale
    GRAD = "grad"  # autograd.grad
    BACKWARD = "backward"
    UNSCALE = "unscale"
    CLIP = "clip"
    STEP = "step"
    UPDATE = "update"  # GradScaler.update
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Phase:
    """One line of the loop. `of` is the class of the module, optimizer or scheduler, or the op of the loss.

    It ran `count` times, in `steps` of the loop's steps. `first` and `last` are the loss for LOSS, the
    2-norm of all gradients that are there afterwards for BACKWARD, the limit for CLIP.
    """

    kind: PhaseKind
    location: Location | None
    of: str
    count: int
    steps: int
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingLoop:
    """The steps of a training loop. `phases` are in the order of the most frequent step, then the others.

    `steps` counts the rounds that ended with a step of some optimizer, `usual` those in the most
    frequent order, `orders` the different ones (64 at most); `left_out` lines are not among the phases.
    """

    steps: int
    usual: int
    orders: int
    phases: tuple[Phase, ...]
    left_out: int = 0
