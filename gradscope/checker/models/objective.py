"""What of a model's output is differentiated: a loss that was named, or everything it returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.models.float64_copy import gaussian
from gradscope.checker.models.loss import Loss
from gradscope.checker.point import is_differentiable


class Projection:
    """A fixed random combination of every floating-point tensor of an output; of a loss, the loss itself.

    `magnitude` is the sum of the absolute values of its terms, at the last evaluation. Weights are drawn
    at the first one: Gaussian, so that no structure of an output (rows that add up to 1) hides anything.
    """

    def __init__(self, loss: Loss | None) -> None:
        self._loss = loss
        self._weights: list[Tensor] = []
        self.magnitude = 0.0
        self.has_graph = False

    def of(self, output: Any) -> Tensor:
        """The scalar of an output, or of a loss. ValueError where there is nothing to differentiate, or
        where the output changed its form.
        """
        tensors = [output] if self._loss is not None else list(tensors_of(output))
        if not tensors:
            raise ValueError("forward returns no floating-point tensor")
        if self._loss is not None:
            self._check(tensors[0])
        if not self._weights:
            self._weights = self._drawn(tensors)
        if [one.shape for one in tensors] != [one.shape for one in self._weights]:
            raise ValueError("forward returns other shapes when its parameters move a little")
        self.has_graph = any(one.requires_grad for one in tensors)
        terms = [
            (one.to(weight.dtype).conj() * weight).real.sum()
            for one, weight in zip(tensors, self._weights, strict=True)
        ]
        self.magnitude = sum(
            float((one.detach().abs() * weight.abs()).sum())
            for one, weight in zip(tensors, self._weights, strict=True)
        )
        return torch.stack([term.to(terms[0].device) for term in terms]).sum()

    def _drawn(self, tensors: list[Tensor]) -> list[Tensor]:
        if self._loss is not None:
            return [torch.ones_like(tensors[0].detach(), dtype=torch.float64)]
        generator = torch.Generator().manual_seed(1)
        return [
            gaussian(
                torch.empty(one.shape, dtype=torch.complex128 if one.is_complex() else torch.float64),
                generator,
            ).to(one.device)
            for one in tensors
        ]

    @staticmethod
    def _check(loss: Any) -> None:
        if not is_differentiable(loss) or loss.numel() != 1:
            raise ValueError("the loss is not a floating-point tensor with one element")

    @property
    def text(self) -> str:
        """In words, for a report."""
        if self._loss is not None:
            return self._loss.name
        count = len(self._weights)
        return "a random projection of the output" + (f"'s {count} tensors" if count > 1 else "")


def tensors_of(output: Any) -> Iterator[Tensor]:
    """Every floating-point or complex tensor in an output, containers and plain objects opened, once each."""
    seen: set[int] = set()
    for leaf in pytree.tree_leaves(output):
        parts = [leaf] if isinstance(leaf, Tensor) or not hasattr(leaf, "__dict__") else vars(leaf).values()
        for part in parts:
            if is_differentiable(part) and id(part) not in seen:
                seen.add(id(part))
                yield part
