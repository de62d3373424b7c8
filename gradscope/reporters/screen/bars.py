"""Bars that compare the blocks of a chain: how long each is, and of what it is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

LONGEST_BAR: Final = 24
MOST_BARS: Final = 12
_LOG_SPREAD: Final = 1000.0  # largest over smallest norm from which bars are drawn on a log scale
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


class Bars:
    """The scale that some norms span: linear, or logarithmic where they differ much."""

    def __init__(self, norms: Iterable[float]) -> None:
        drawn = [norm for norm in norms if math.isfinite(norm) and norm > 0]
        self._low, self._high = (min(drawn), max(drawn)) if drawn else (0.0, 0.0)

    @property
    def is_log(self) -> bool:
        """Whether the bars are as long as the logarithms of the norms, and no longer as the norms."""
        return bool(self._low) and self._high / self._low >= _LOG_SPREAD

    def length(self, norm: float) -> float:
        """A bar's length, 0..1; 0 for what is 0, NaN or infinite."""
        if not self._high or not math.isfinite(norm) or norm <= 0:
            return 0.0
        if not self.is_log:
            return norm / self._high
        low, high = math.floor(math.log10(self._low)), math.log10(self._high)
        return (math.log10(norm) - low) / (high - low)


def bar(share: float, room: int) -> str:
    """A bar of at most `room` cells; anything above zero shows at least a sliver."""
    eighths = round(share * room * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
