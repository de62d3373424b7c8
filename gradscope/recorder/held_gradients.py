"""What stood in the `.grad` of every leaf when it was last looked at.

A gradient is recognised by its object (a weak reference: nothing is kept alive) and its version counter.
Who zeroes a gradient through `.data` changes neither, so where it matters the numbers are looked at.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import torch
from torch import Tensor

from gradscope.recorder.norms import dense_values, norms_of
from gradscope.recorder.values import is_plain, version

_SAMPLE = 8  # elements by which a step that the program takes itself is recognised
_TOLERANCE = 0.02
_ROUNDING = 1e-6
_SWEEP_AT = 4096


class Look(Enum):
    """How a gradient stands to the one seen last."""

    NONE = auto()
    SAME = auto()
    OTHER = auto()  # another object, another version, or never seen


@dataclass(slots=True)
class _Held:
    leaf: weakref.ref[Tensor]
    gradient: weakref.ref[Tensor] | None
    version: int
    sample: tuple[list[float], list[float]] | None = None


class HeldGradients:
    """The table by `id(leaf)`; `forgotten` is told of each leaf that is gone."""

    def __init__(self, forgotten: Callable[[int], None]) -> None:
        self._held: dict[int, _Held] = {}
        self._forgotten = forgotten
        self._limit = _SWEEP_AT

    def clear(self) -> None:
        """Nothing is known any more."""
        self._held.clear()

    def look(self, leaf: Tensor) -> Look:
        """Compares the gradient with the one seen last."""
        gradient = leaf.grad
        if gradient is None:
            return Look.NONE
        held = self._of(leaf)
        if held is None or held.gradient is None or held.gradient() is not gradient:
            return Look.OTHER
        return Look.SAME if held.version == version(gradient) else Look.OTHER

    def note(self, leaf: Tensor) -> None:
        """Remembers the gradient as it is now."""
        gradient = leaf.grad
        held = self._of(leaf)
        if held is None:
            held = self._held[id(leaf)] = _Held(weakref.ref(leaf), None, -1)
            if len(self._held) > self._limit:
                self._sweep()
        if gradient is None:
            held.gradient, held.version, held.sample = None, -1, None
        else:
            held.gradient, held.version = weakref.ref(gradient), version(gradient)

    def sample(self, leaf: Tensor) -> None:
        """Remembers some numbers of the leaf and of its gradient, for `stepped_by_hand`."""
        held = self._of(leaf)
        if held is not None and leaf.grad is not None:
            held.sample = _sample(leaf, leaf.grad)

    def stepped_by_hand(self, leaf: Tensor) -> bool:
        """Whether the leaf was changed by a multiple of the gradient that it had when it was sampled."""
        held = self._of(leaf)
        if held is None or held.sample is None:
            return False
        values, gradients = held.sample
        now = _first(leaf)
        if len(now) != len(values) or not any(gradients):
            return False
        moved = [new - old for new, old in zip(now, values, strict=True)]
        rate = _dot(moved, gradients) / _dot(gradients, gradients)
        rounding = [_ROUNDING * abs(value) for value in now]
        if rate >= 0 or max(map(abs, moved)) <= 10 * max(rounding):
            return False
        return all(
            abs(move - rate * g) <= _TOLERANCE * abs(rate * g) + noise
            for move, g, noise in zip(moved, gradients, rounding, strict=True)
        )

    def _of(self, leaf: Tensor) -> _Held | None:
        held = self._held.get(id(leaf))
        if held is not None and held.leaf() is not leaf:
            del self._held[id(leaf)]
            self._forgotten(id(leaf))
            return None
        return held

    def _sweep(self) -> None:
        for key in [key for key, held in self._held.items() if held.leaf() is None]:
            del self._held[key]
            self._forgotten(key)
        self._limit = max(_SWEEP_AT, 2 * len(self._held))


def zero_among(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Those whose gradient is all zeros. One fused norm, one transfer."""
    plain = [leaf for leaf in leaves if leaf.grad is not None and is_plain(leaf.grad)]
    norms = norms_of([dense_values(leaf.grad) for leaf in plain if leaf.grad is not None])
    return [leaf for leaf, norm in zip(plain, norms, strict=True) if norm == 0]


def gradient_norm(leaf: Tensor) -> float | None:
    """The 2-norm of a leaf's gradient; None where it has none that can be read."""
    gradient = leaf.grad
    if gradient is None or not is_plain(gradient):
        return None
    return norms_of([dense_values(gradient)])[0]


def _first(tensor: Tensor) -> list[float]:
    return [float(x) for x in tensor.detach().flatten()[:_SAMPLE].tolist()]


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _sample(leaf: Tensor, gradient: Tensor) -> tuple[list[float], list[float]] | None:
    if gradient.layout is not torch.strided or leaf.is_complex() or not is_plain(gradient):
        return None
    return _first(leaf), _first(gradient)
