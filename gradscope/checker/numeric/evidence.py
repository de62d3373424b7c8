"""What was seen of single elements of one input, side by side: the material that patterns are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import index_of
from gradscope.checker.numeric.directional import Input
from gradscope.checker.numeric.steps import Examined

_ROOM = 8.0
_RELATIVE = 1e-6


@dataclass(frozen=True, slots=True)
class Evidence:
    """`coordinates` (E) that were looked at, gradients and tolerances (cotangents x E), `wrong` (E)."""

    at: Input
    coordinates: Tensor
    analytical: Tensor
    numerical: Tensor
    tolerance: Tensor
    wrong: Tensor

    @classmethod
    def of(cls, at: Input, looked: Mapping[int, Examined], wrong: Mapping[int, Examined]) -> Evidence:
        """From what was examined; elements without a finite estimate are left out."""
        rows = [
            (coordinate, seen.estimate)
            for coordinate, seen in sorted({**looked, **wrong}.items())
            if seen.estimate is not None
        ]
        coordinates = torch.tensor([coordinate for coordinate, _ in rows], dtype=torch.long, device="cpu")
        scale = at.scale[coordinates]
        difference = torch.stack([estimate.difference for _, estimate in rows], dim=1) / scale
        tolerance = torch.stack([estimate.tolerance for _, estimate in rows], dim=1) / scale
        analytical = at.gradients[:, coordinates]
        is_wrong = torch.tensor([coordinate in wrong for coordinate, _ in rows], device="cpu")
        return cls(at, coordinates, analytical, analytical - difference, tolerance, is_wrong)

    def only_wrong(self) -> Evidence:
        """The wrong elements."""
        keep = self.wrong
        return Evidence(
            self.at,
            self.coordinates[keep],
            self.analytical[:, keep],
            self.numerical[:, keep],
            self.tolerance[:, keep],
            self.wrong[keep],
        )

    def explains(self, analytical: Tensor) -> bool:
        """Whether other gradients (cotangents x E) than the right ones equal the backward's, to the noise."""
        size = torch.maximum(analytical.abs(), self.analytical.abs())
        room = _ROOM * self.tolerance + _RELATIVE * size
        return bool(((self.analytical - analytical).abs() <= room).all())

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """The elements' indices."""
        return [index_of(coordinate, self.at.like) for coordinate in self.coordinates.tolist()]

    @property
    def values(self) -> Tensor:
        """The input's values there."""
        return self.at.at[self.coordinates]

    def __len__(self) -> int:
        return self.coordinates.numel()
