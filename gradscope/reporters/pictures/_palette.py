"""The colours of a scale: light for little, dark for much, even in brightness, told apart by everybody."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

WORST: Final = "#c2182b"
"""What is broken."""

_STOPS: Final = (
    (0xFF, 0xF7, 0xDC),
    (0xFE, 0xE3, 0xA0),
    (0xFD, 0xC5, 0x62),
    (0xF6, 0x9C, 0x42),
    (0xE6, 0x70, 0x3D),
    (0xCB, 0x47, 0x49),
    (0xA0, 0x2E, 0x60),
    (0x70, 0x22, 0x6E),
)
_DARK: Final = 0.6  # from here on, white text is easier to read


@lru_cache(maxsize=1024)
def fill(heat: float) -> str:
    """The colour at a place of the scale, from 0 to 1, as "#rrggbb"."""
    place = min(max(heat, 0.0), 1.0) * (len(_STOPS) - 1)
    low = min(int(place), len(_STOPS) - 2)
    share = place - low
    mixed = (
        round(one + (other - one) * share) for one, other in zip(_STOPS[low], _STOPS[low + 1], strict=True)
    )
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def ink(heat: float) -> str:
    """The colour of text on it."""
    return "#ffffff" if heat > _DARK else "#1b1f24"
