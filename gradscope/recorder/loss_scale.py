"""The loss scale of a GradScaler, and whether gradients are still multiplied by it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gradscope.recorder.held_gradients import gradient_norm
from gradscope.recorder.uses import is_scaled, mark_scaled


class LossScale:
    """Follows the scaler that the program used last.

    `was_read` says that the program asked for its scale, `inside` counts scalers that are stepping.
    """

    def __init__(self) -> None:
        self._scaler: weakref.ref[Any] | None = None
        self._probe: tuple[weakref.ref[Tensor], float] | None = None
        self.was_read = False
        self.inside = 0

    def multiplied(self, outputs: Any, scaler: Any) -> None:
        """A scaler that is enabled has multiplied these."""
        self._scaler = weakref.ref(scaler)
        for output in outputs if isinstance(outputs, (tuple, list)) else (outputs,):
            if isinstance(output, Tensor) and output.grad_fn is not None:
                mark_scaled(output.grad_fn)

    def is_in(self, roots: Sequence[Tensor]) -> bool:
        """Whether one of these losses was multiplied."""
        return self._scaler is not None and is_scaled(roots)

    def probe(self, leaf: Tensor) -> None:
        """Remembers the gradient of a leaf while the scale is still in it."""
        norm = gradient_norm(leaf)
        self._probe = (weakref.ref(leaf), norm) if norm is not None else None

    def forget(self) -> None:
        """Events were missed."""
        self._probe = None

    def is_left_in(self, keys: Sequence[int]) -> bool:
        """False where the program has divided the scale out itself, seen at one of the gradients."""
        if self._scaler is None or self._probe is None:
            return self._scaler is not None
        leaf, norm = self._probe[0](), self._probe[1]
        if leaf is None or id(leaf) not in keys:
            return True
        now = gradient_norm(leaf)
        return now is None or not math.isfinite(norm) or abs(now - norm) <= 0.01 * norm

    def value(self) -> float | None:
        """The scale as it is now, None where it is unknown."""
        scaler = self._scaler() if self._scaler is not None else None
        scale = getattr(scaler, "_scale", None)
        return float(scale) if isinstance(scale, Tensor) else None
