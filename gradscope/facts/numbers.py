"""NaN, Inf and exact zeros: where they were born."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts.flow import Step
from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class ValueStats:
    """Statistics of one tensor at one moment: element counts, and the extremes of the finite part.

    `zero_at` lists up to four index tuples of zeros, `nonfinite_at` of NaN or Inf, as text "[0, 3]".
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    numel: int
    zeros: int
    nan: int
    inf: int
    smallest: float | None
    largest: float | None
    zero_at: tuple[str, ...] = ()
    nonfinite_at: tuple[str, ...] = ()
    repeated: int = 0  # elements that repeat a neighbour after sorting (equal eigenvalues)


@dataclass(frozen=True, slots=True)
class NonfiniteBirth:
    """A backward node that got finite gradients and gave a NaN or Inf: where it was born.

    `saved` are its saved tensors as they were then; `incoming` the gradient it got; `outgoing` the one
    it gave. `reached` names the leaves that ended up non-finite through it, `masked_at` where it was
    multiplied or selected away when it reached none. `spread` are the first nodes after it. `becomes`
    is the node that turned an Inf into NaN. `step` counts backwards from 1; `exact` is False where the
    node hooks were off when it happened and a later pass was looked at instead. `origin` is "node"; or
    "sum" where the gradients of several edges, each fine or infinite, add up to it on the way into
    `node`; "seed" where the gradient given to `backward` was already non-finite; "hook" where a hook of
    the program in front of `node`, or behind it, made it: then `hook` is its function and `location` the
    line that registered it, where they are known. `reached` may name "result 0 of autograd.grad".
    `true_largest` is the largest magnitude of the gradient as it should have been, where it is float16 that
    made it infinite and a wider range would not have; `scale` is the loss scale that a GradScaler had given
    it then, `last_scale` that of the latest backward in which it was born.
    """

    kind: str  # "nan" or "inf", what was born
    final: str  # "nan" or "inf", what the leaves got
    node: str
    location: Location | None
    incoming: ValueStats | None
    outgoing: ValueStats | None
    saved: tuple[ValueStats, ...]
    reached: tuple[str, ...]
    trainable: int  # how many leaves this backward reaches in all
    backward: Location | None
    step: int
    masked_at: Step | None = None
    becomes: Step | None = None
    spread: tuple[Step, ...] = ()
    exact: bool = True
    count: int = 1
    origin: str = "node"
    hook: str | None = None
    true_largest: float | None = None
    scale: float | None = None
    last_scale: float | None = None


@dataclass(frozen=True, slots=True)
class NonfiniteForward:
    """The first forward op whose result had a NaN or an unintended Inf on the way to a non-finite loss.

    `inputs` and `output` are statistics of its tensors. `given` says that an input of it was already
    non-finite when the program handed it in (data, or a parameter), rather than being computed: then
    `source` names that input. Where no backward came to see the loss, `refused_by` is the function that
    refused a non-finite tensor and ended the program, "" where the program raised, and `backward` that line.
    """

    kind: str  # "nan" or "inf"
    op: str
    location: Location | None
    inputs: tuple[ValueStats, ...]
    output: ValueStats | None
    loss: str  # the loss as text, "nan" or "inf"
    backward: Location | None
    step: int
    source: str | None = None
    spread: tuple[Step, ...] = ()
    exact: bool = True
    count: int = 1
    refused_by: str | None = None


@dataclass(frozen=True, slots=True)
class ZeroedAt:
    """A backward node that got a gradient with non-zero elements and gave only zeros.

    `leaves` are those whose gradient was exactly 0 because of it in every backward that gave them one.
    `factor_zero` says that a saved factor was all zeros (`* 0.0`, a zero-initialised weight), named by
    `factor`; `constant_factor` that the factor is a number written in the source (the `0.0 * x.sum()` trick).
    `hook` is the function of a hook that returned the zeros, registered at `location`; `node` is "hook" then.
    """

    node: str
    op: str | None
    location: Location | None
    leaves: tuple[str, ...]
    saved: tuple[ValueStats, ...]
    backwards: int
    factor: str | None = None
    factor_is_leaf: bool = False
    constant_factor: bool = False
    hook: str | None = None
