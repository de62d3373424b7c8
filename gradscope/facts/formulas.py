"""What is known of a backward node by its name: torch's derivative formulas, what forward saves for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SavedKind(StrEnum):
    """What a thing that forward saves for backward is."""

    INPUT = "input"  # a tensor that the op is given
    OUTPUT = "output"  # a tensor that the op returns
    ARGUMENT = "argument"  # a number, a flag or a list of sizes that the op is given
    PROPERTY = "property"  # sizes, dtype or the like of a tensor, not the tensor


@dataclass(frozen=True, slots=True)
class Gradient:
    """A formula in torch's own words (C++), and the inputs whose gradients it gives, one or several."""

    inputs: tuple[str, ...]
    formula: str


@dataclass(frozen=True, slots=True)
class Tangent:
    """A formula of forward mode in torch's own words, and the outputs whose tangents it gives.

    `self_t` is the tangent of the input `self`, `self_p` its value.
    """

    outputs: tuple[str, ...]
    formula: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What forward saves ("self", "result", "self.sym_sizes()"), and the inputs whose gradients need it."""

    what: str
    kind: SavedKind
    needed_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlainGradient:
    """The gradient of one input in plain mathematics, written with the names of torch's functions."""

    input: str
    expression: str


@dataclass(frozen=True, slots=True)
class PlainMath:
    """The gradients of an op's inputs in plain mathematics, for real tensors; `grad` is what comes in.

    Not torch's text: it is ours, and the suite holds every line of it against autograd. `where` names parts,
    each of those before it; `broadcasts` says that an input that was broadcast gets the sum over its copies;
    `only` when it holds ("approximate='none'"), "" for always.
    """

    gradients: tuple[PlainGradient, ...]
    where: tuple[tuple[str, str], ...] = ()
    broadcasts: bool = False
    only: str = ""


@dataclass(frozen=True, slots=True)
class NodeFormula:
    """A backward node: the op that leaves it and its formulas, or why it has none (`reason`).

    `node` is the name that torch gives it, without `torch::autograd::`. `op` and `schema` are those of
    the op whose formulas these are; `also` names the others that leave the same node, in-place ones mostly.
    `not_differentiable` are the tensor arguments without a formula. `dispatch` is the autograd key that the
    formulas hold for, "" for the usual one.
    """

    node: str
    op: str = ""
    schema: str = ""
    gradients: tuple[Gradient, ...] = ()
    saved: tuple[Saved, ...] = ()
    tangents: tuple[Tangent, ...] = ()
    not_differentiable: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    dispatch: str = ""
    math: PlainMath | None = None
    reason: str = ""

    def gradient_of(self, name: str) -> str:
        """Torch's formula for one input, "" where it has none."""
        return next((each.formula for each in self.gradients if name in each.inputs), "")
