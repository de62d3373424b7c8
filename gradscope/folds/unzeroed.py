"""Parameters of an engine that were updated with a gradient, and still held it at the next backward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

_SAME_RATE: Final = 1e-5
_ROUNDING: Final = 1e-12


class Unzeroed:
    """Remembers what one backward left in the leaves, and looks at them again before the next one.

    A leaf counts as updated with its gradient only where two updates have the same rate: those of two leaves,
    or of two steps. Any other change of a value, such as the next sample, is nobody's fault.
    """

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}
        self._rates: list[float] = []

    def before(self, leaves: Mapping[int, tuple[float, float]]) -> tuple[int, ...]:
        """The leaves that still hold the gradient they were updated with; (value, gradient) by leaf."""
        rates: dict[int, float] = {}
        for leaf, (value, gradient) in leaves.items():
            if leaf not in self._left:
                continue
            old_value, left = self._left[leaf]
            moved = value - old_value
            if left == 0 or gradient != left or abs(moved) <= _ROUNDING * abs(value):
                continue
            rates[leaf] = moved / left
        earlier, self._rates = self._rates, list(rates.values())
        known = [*earlier, *rates.values()]
        return tuple(leaf for leaf, rate in rates.items() if sum(_same(rate, other) for other in known) > 1)

    def after(self, leaves: Mapping[int, tuple[float, float]]) -> None:
        """What a backward left: (value, gradient) by leaf."""
        self._left = dict(leaves)

    def forget(self) -> None:
        """A backward ran that was not looked at."""
        self._left, self._rates = {}, []


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME_RATE)
