"""Differences that are no mistakes: rounding in a lower precision, and of backward's own numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from gradscope.checker.numeric.directional import Directional, Input
from gradscope.checker.numeric.gradients import Analytical
from gradscope.checker.numeric.precision import lowest_dtype, rounding_of, scatter
from gradscope.checker.numeric.verdicts import InputVerdict, relative, share_of
from gradscope.checker.point import Point
from gradscope.recorder.stats import dtype_name

_FEW_DIGITS = 1e-9  # no constant that is written out has more


class Excuses:
    """Takes away what rounding explains, and notes the largest such difference of each input.

    `replaced` is the lower precision that float64 takes the place of in forward, and not in backward.
    """

    def __init__(
        self, point: Point, analytical: Analytical, directional: Directional, replaced: torch.dtype | None
    ) -> None:
        self._point = point
        self._analytical = analytical
        self._directional = directional
        self._replaced = replaced
        self._said: dict[str, tuple[float, str]] = {}

    def apply(self, verdict: InputVerdict) -> None:
        """Removes the elements from `verdict.wrong` that rounding explains; they count for its agreement."""
        at = verdict.at
        if verdict.small:
            own = float(self._scatter(at).median()) / max(float(at.gradients.abs().median()), 1e-300)
            is_clear = verdict.small > max(_FEW_DIGITS, own)
            self._say(at, verdict.small, is_clear=is_clear)
            if is_clear:
                verdict.agreement = max(verdict.agreement or 0.0, verdict.small)
        if not verdict.wrong or not at.returned:
            return
        room = self._scatter(at)
        lower = self._lower(at)
        if lower is not None:
            room = room + rounding_of(lower, at.gradients)
        for coordinate, seen in list(verdict.wrong.items()):
            if seen.estimate is None:
                continue
            apart = seen.estimate.difference.abs() / at.scale[coordinate]
            beyond = apart > room[:, coordinate] + seen.estimate.tolerance / at.scale[coordinate]
            if not bool(beyond.any()):
                del verdict.wrong[coordinate]
                self._say(at, relative(seen), is_clear=False)
                verdict.agreement = max(verdict.agreement or 0.0, share_of(at, seen.estimate))

    def notes(self) -> list[str]:
        """One note for each input with such a difference."""
        return [text for _, text in self._said.values()]

    def _scatter(self, at: Input) -> Tensor:
        return scatter(self._analytical, at, self._point, self._directional.cotangents)

    def _lower(self, at: Input) -> torch.dtype | None:
        lower = [self._replaced, lowest_dtype(self._analytical, at.gradients)]
        known = [dtype for dtype in lower if dtype is not None]
        return max(known, key=lambda dtype: torch.finfo(dtype).eps, default=None)

    def _say(self, at: Input, size: float, *, is_clear: bool) -> None:
        """Notes the largest difference of an input, in units of the gradient; `is_clear` where it is the same
        at every step size, and beyond what backward's own numbers scatter.
        """
        if size <= self._said.get(at.name, (-1.0, ""))[0]:
            return
        lower = self._lower(at)
        if lower is not None:
            why = f", which rounding explains: {dtype_name(lower)} is used inside"
        elif is_clear:
            why = " of its size, more than float64 rounds: probably a constant with too few digits"
        else:
            why = " of its size, no more than its own rounding would"
        self._said[at.name] = size, f"{at.name}: the gradient differs by {size:.0e}{why}"
