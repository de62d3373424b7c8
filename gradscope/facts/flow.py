"""Where values went on and gradients did not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.finding import Location


class CutKind(StrEnum):
    """How a value went on while its gradient stopped."""

    DETACH = "detach"
    DATA = "data"
    NO_GRAD = "no_grad"
    INFERENCE_MODE = "inference_mode"
    PYTHON_NUMBER = "python-number"  # item(), float(), int(), tolist() and back into a tensor
    NUMPY = "numpy"
    NEW_TENSOR = "new-tensor"  # torch.tensor(x), torch.as_tensor(list of tensors), torch.Tensor(...)
    NEW_PARAMETER = "new-parameter"  # nn.Parameter(x): a fresh leaf holding x's value
    INTEGER = "integer"  # argmax, comparison, cast to an integer or bool dtype
    GRAD_CALL = "grad-call"  # the result of autograd.grad without create_graph, or a .grad read
    CHOICE = "choice"  # a bool or an integer that left for Python: a branch, an index, a count
    CHECKPOINT = "checkpoint"  # a reentrant checkpoint that saw no input requiring a gradient
    NOT_DIFFERENTIABLE = "not-differentiable"  # any other op whose result does not require grad


@dataclass(frozen=True, slots=True)
class Step:
    """One op on a value's way from a leaf to the loss: its name and its line."""

    op: str
    location: Location | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """An op whose input carried gradient and whose output does not.

    `block` is the line of the `with torch.no_grad()` (or `set_grad_enabled(False)`, or the call of
    a decorated function) in force, for NO_GRAD and INFERENCE_MODE. `resumed` is where the value came
    back into a tensor (`torch.tensor(x)`, `from_numpy`), for PYTHON_NUMBER and NUMPY. `certain` is
    False where the way through Python or NumPy was inferred from names in the source.
    """

    kind: CutKind
    op: str
    location: Location | None
    block: Location | None = None
    resumed: Location | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class SeveredLeaf:
    """A leaf whose value reaches a loss only through cuts, and that no backward gave a gradient.

    `cuts` are those on the way with fewest cuts, nearest the leaf first; `path` goes from the leaf to
    the loss. `written_to` names the leaves that the value was written into on that way. `unfed` says that
    another loss did give it gradients, none of which its optimizer ever stepped with.
    """

    leaf: str
    cuts: tuple[Cut, ...]
    path: tuple[Step, ...]
    backward: Location | None
    written_to: tuple[str, ...] = ()
    unfed: bool = False


@dataclass(frozen=True, slots=True)
class ExitedLeaf:
    """A leaf whose value left torch for Python, was not seen to come back, and that no backward reached.

    `cuts` and `path` go from the leaf to the exit, the last cut. `exits` are the line of the exit and the
    lines of the calls it happened in, innermost first: what the program did with the number stands there.
    """

    leaf: str
    cuts: tuple[Cut, ...]
    path: tuple[Step, ...]
    exits: tuple[Location, ...]
    backward: Location | None


@dataclass(frozen=True, slots=True)
class MissingGraph:
    """A backward (or `autograd.grad`) on a tensor that requires no gradient and has no grad_fn.

    `frozen` says that the value depends on tensors none of which requires a gradient; `cuts` are the
    cuts on the way from the nearest leaf, empty where the value never met a trainable leaf.
    """

    location: Location | None
    call: str  # "backward" or "grad"
    cuts: tuple[Cut, ...]
    path: tuple[Step, ...]
    grad_disabled: Location | None
    ended_program: bool


@dataclass(frozen=True, slots=True)
class GradWithoutGraph:
    """`autograd.grad` without create_graph whose result became a term of a loss.

    `used` is where the result joined the loss, `backward` the backward that could not reach through.
    """

    location: Location | None
    used: Location | None
    backward: Location | None
    inputs: tuple[str, ...]
    count: int = 1
