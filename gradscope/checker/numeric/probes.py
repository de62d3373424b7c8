"""What a gradient is tried with: cotangents for the outputs, and directions for an input.

Cotangents are Gaussian: signs alone lie in the null space of ops that normalise short rows. The numbers of
a direction are signed and between a half and one and a half, so that no element hides behind a small one,
and a direction covers elements whose gradients are of like size, so that none drowns in larger ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

COTANGENTS = 3
_SEED = 601
_FIRST_RATIO = 1e-2
_EDGES = (_FIRST_RATIO, 1e-4, 1e-7)
_FEW = 8


class Chance:
    """Random numbers from a generator of our own, the same in every run."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(_SEED)

    def gaussian(self, size: int) -> Tensor:
        """Numbers of a standard normal distribution."""
        return torch.randn(size, generator=self._generator, dtype=torch.float64, device="cpu")

    def signed(self, size: int) -> Tensor:
        """Random signs times numbers between 1/2 and 3/2."""
        numbers = torch.rand(size, generator=self._generator, dtype=torch.float64, device="cpu")
        signs = (
            torch.randint(0, 2, (size,), generator=self._generator, dtype=torch.float64, device="cpu") * 2 - 1
        )
        return signs * (numbers + 0.5)

    def some(self, among: Tensor, most: int) -> Tensor:
        """At most that many of the given numbers, without repetition, in order."""
        if among.numel() <= most:
            return among
        order = torch.randperm(among.numel(), generator=self._generator, device="cpu")
        return among[order[:most]].sort().values


def cotangents(chance: Chance, size: int) -> Tensor:
    """`COTANGENTS` rows of Gaussian numbers, of unit variance."""
    return torch.stack([chance.gaussian(size) for _ in range(COTANGENTS)])


def alike(sizes: Tensor, among: Tensor) -> Iterator[Tensor]:
    """Splits coordinates into groups whose gradients (`sizes`, all >= 0) are within a ratio of 100 or so.

    The last group holds what is 10^7 times smaller than the largest, and zeros.
    """
    chosen = sizes[among]
    largest = float(chosen.max()) if chosen.numel() else 0.0
    if largest == 0.0 or chosen.numel() <= 1:
        if among.numel():
            yield among
        return
    upper = float("inf")
    for edge in (*_EDGES, 0.0):
        lower = edge * largest
        group = among[(chosen < upper) & (chosen >= lower)]
        upper = lower
        if group.numel():
            yield group
