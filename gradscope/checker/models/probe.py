"""A model at one point: its analytical gradients, and slopes along directions of any of its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from gradscope.checker.models.float64_copy import ModelCopy, gaussian
from gradscope.checker.models.objective import Projection
from gradscope.checker.models.slope import Slope, along, slope, typical


class ModelProbe:
    """`gradients` are the analytical ones by name, None for a tensor that was given none.

    `objective` is the value at the point. Directions are Gaussian, each tensor's in proportion to its size,
    from a generator of our own: a verdict is repeatable.
    """

    def __init__(self, model: ModelCopy, projection: Projection) -> None:
        self.model = model
        self.projection = projection
        output, leaves = model.run({}, first=True)
        scalar = projection.of(output)
        self.objective = float(scalar.detach())
        self.gradients: dict[str, Tensor | None] = dict.fromkeys(leaves)
        if projection.has_graph:
            with model.lifted:
                found = torch.autograd.grad(scalar, list(leaves.values()), allow_unused=True)
            self.gradients = dict(zip(leaves, map(_dense, found), strict=True))
        self.magnitude = projection.magnitude
        self.base = model.base
        self.sizes = model.sizes | {name: _size(value) for name, value in model.inputs.items()}
        self._still = _held_rows(model.module, model.own)
        self.size = typical(self.gradients, self.sizes, self.gradients)
        self._generator = torch.Generator().manual_seed(2)

    def value(self, moved: Mapping[str, Tensor]) -> float:
        """The objective where `moved` replaces base values; stops keep their values."""
        output, _ = self.model.run(moved)
        return float(self.projection.of(output).detach())

    def slope(self, names: Iterable[str]) -> Slope:
        """Along one new direction of these tensors together."""
        chosen = list(names)
        direction = {name: self._drawn(name) for name in chosen}

        def value(distance: float) -> float:
            return self.value({name: self.base[name] + distance * u for name, u in direction.items()})

        size = typical(self.gradients, self.sizes, chosen)
        return slope(value, along(self.gradients, direction), size, self.magnitude, 1e-9 * self.size)

    def _drawn(self, name: str) -> Tensor:
        direction = gaussian(self.base[name], self._generator) * self.sizes[name]
        row = self._still.get(name)
        if row is not None:
            direction[row] = 0.0
        return direction


def _dense(gradient: Tensor | None) -> Tensor | None:
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def _size(value: Tensor) -> float:
    if not value.numel():
        return 1.0
    size = float(value.detach().abs().square().mean().sqrt())
    return size if 0.0 < size < float("inf") else 1.0


def _held_rows(module: nn.Module, parameters: Mapping[str, Tensor]) -> dict[str, int]:
    """The row of a padding token, by the name of the embedding's weight: its gradient is 0 by design."""
    rows = {
        id(part.weight): part.padding_idx
        for part in module.modules()
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.padding_idx is not None
    }
    return {name: rows[id(own)] for name, own in parameters.items() if id(own) in rows}
