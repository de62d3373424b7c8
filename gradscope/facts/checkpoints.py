"""Activation checkpoints: those that severed the gradient, and those that recomputed something else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.finding import Location


class Severance(StrEnum):
    """Why a reentrant checkpoint gave no gradient to what is inside it."""

    FROZEN = "frozen-inputs"  # tensors were passed, and none of them requires a gradient
    NO_TENSOR = "no-tensor-inputs"  # no tensor was passed at all: all of them are captured
    NESTED = "nested-inputs"  # the tensors that require one were passed in a dict, a list or an object
    NESTED_OUTPUT = "nested-outputs"  # the outputs were returned in a dict, a list or an object


@dataclass(frozen=True, slots=True)
class SeveringCheckpoint:
    """A line that calls a reentrant checkpoint whose output carries no gradient although grad mode is on.

    `function` names what was checkpointed. `calls` counts the calls of the line, `severed` those that gave
    no gradient; `tensors` is how many tensors were passed to one of these.
    """

    location: Location | None
    function: str
    reason: Severance
    tensors: int
    calls: int
    severed: int


class Recomputed(StrEnum):
    """Why a recomputation came out otherwise, as far as the op that differs shows it."""

    SCALAR = "scalar"  # a Python number or bool that the op was given
    RANDOM = "random"  # random numbers of the default generator
    GENERATOR = "generator"  # random numbers of a torch.Generator of the program's own
    DATA = "data"  # numbers that came into a tensor from Python or NumPy
    WRITTEN = "written"  # a tensor from outside, written to in between
    INPUT = "input"  # a tensor from outside, another one or with other values
    PATH = "path"  # another op ran in its place
    UNKNOWN = "unknown"  # the op was given the same, and gave something else


@dataclass(frozen=True, slots=True)
class RecomputedOp:
    """The first op of a checkpointed region that gave something else when it was recomputed in a backward.

    `checkpoint` is the line that called the checkpoint of `function`, `location` the op's line in the first
    run. `difference` is how far its result was off, relative to its 2-norm; None where shape or dtype
    differ, or where another op ran. `first` and `again` are what differs in words: two numbers, two shapes,
    two ops. `instead` is the line that the recomputation ran in place of `location`.
    `parted` are the two places of one function at which the ways to these ops part, the second None where
    one of the runs ended there. `given` is the place of the argument that differs, from 0, and `leaf` its
    name where it is a leaf. `written_at` is where a tensor from outside was written to, by the op
    `written_by`, as far as that is known.
    `backward` is the line that had it recomputed. `drifted` says that rounding errors had differed before.
    `compared` counts the recomputations of the line that were compared, `differing` those that differed
    there. `saved` is how many of the `of` tensors that
    the backward needs from the region were recomputed with other values, both 0 for a reentrant checkpoint.
    `raised` has the first line of the exception that torch raised because of it.
    """

    checkpoint: Location | None
    function: str
    op: str
    location: Location | None
    cause: Recomputed
    difference: float | None = None
    first: str = ""
    again: str = ""
    instead: Location | None = None
    parted: tuple[Location, Location | None] | None = None
    given: int | None = None
    leaf: str | None = None
    written_at: Location | None = None
    written_by: str = ""
    backward: Location | None = None
    preserves_rng: bool = True
    reentrant: bool = False
    drifted: bool = False
    differing: int = 1
    compared: int = 1
    saved: int = 0
    of: int = 0
    raised: str = ""
    ended_program: bool = False
