"""Gradient accumulation: how many backwards each optimizer step had, and whether the last ones had none."""

from __future__ import annotations


class Accumulation:
    """Counts the backwards between steps; sure of a rhythm only while every step had the same number."""

    def __init__(self) -> None:
        self._since_step = 0
        self._rhythm: int | None = None
        self._regular = True

    def backward(self) -> None:
        """Gradients were accumulated."""
        self._since_step += 1

    def stepped(self) -> None:
        """An optimizer stepped."""
        if self._rhythm is None:
            self._rhythm = self._since_step
        self._regular = self._regular and self._rhythm == self._since_step
        self._since_step = 0

    def note(self) -> str | None:
        """A word on micro-batches whose gradients no step applied, None where there are none."""
        if self._rhythm is None or not self._regular or not 0 < self._since_step < self._rhythm:
            return None
        return (
            f"a step came after every {self._rhythm} backwards; the gradients of the last {self._since_step} "
            "were never applied by a step"
        )
