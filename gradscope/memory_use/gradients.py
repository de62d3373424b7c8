"""The gradients of one step, and where those of another differ from them, bit by bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule, Choices
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.checkpointing import applied

StepGradients = Mapping[str, Tensor | None]
"""By the name of a parameter: a copy of its gradient in the memory of the host, None where it has none."""


def gradients_of(work: Work, blocks: Sequence[BlockModule] = (), choices: Choices = ()) -> StepGradients:
    """The gradients of one step with those blocks checkpointed; what the step raises comes out."""
    with unchanged(work):
        try:
            with applied(blocks, choices):
                work.step()
            return copied_gradients(work)
        finally:
            work.zero_grad()


def copied_gradients(work: Work) -> StepGradients:
    """Copies of the gradients that stand in `.grad` now."""
    several = len(work.roots) > 1
    return {
        f"{number}.{name}" if several else name: None if each.grad is None else _copied(each.grad)
        for number, root in enumerate(work.roots)
        for name, each in root.named_parameters()
    }


def _copied(gradient: Tensor) -> Tensor:
    dense = gradient.detach()
    if dense.layout is not torch.strided:
        dense = dense.to_dense()
    return dense.to("cpu", copy=True).contiguous()


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of parameters whose gradients differ, and the largest relative difference of one.

    It is that of the norm of the difference to the norm of the reference, infinite beside 0 and for NaN.
    """

    names: tuple[str, ...] = ()
    largest: float | None = None


def compared(reference: StepGradients, other: StepGradients) -> Difference:
    """Where `other` is not bit by bit what `reference` is."""
    found = {
        name: difference
        for name, gradient in reference.items()
        if (difference := _difference(gradient, other.get(name))) is not None
    }
    return Difference(tuple(found), max(found.values(), default=None))


def _difference(reference: Tensor | None, other: Tensor | None) -> float | None:
    """None where they are the same."""
    if reference is None and other is None:
        return None
    if reference is None or other is None or reference.shape != other.shape:
        return float("inf")
    if torch.equal(_bits(reference), _bits(other)):
        return None
    wide = torch.complex128 if reference.is_complex() else torch.float64
    norm = float(torch.linalg.vector_norm(reference, dtype=wide))
    distance = float(torch.linalg.vector_norm(reference.to(wide) - other.to(wide)))
    return distance / norm if norm and distance == distance else float("inf")


def _bits(values: Tensor) -> Tensor:
    return values.reshape(-1).view(torch.uint8)


@dataclass(frozen=True, slots=True)
class Reference:
    """The gradients of plain steps. `unstable` are the names of those that differ from step to step.

    `gradients` is None where there is nothing to compare with, and `failure` says why.
    """

    gradients: StepGradients | None = None
    unstable: frozenset[str] = field(default_factory=frozenset)
    failure: str | None = None
