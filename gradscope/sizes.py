"""Sizes of memory as they are written everywhere."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def size_text(size: int) -> str:
    """Bytes in powers of 1,024, to three significant digits: `96 B`, `1.50 KiB`, `953 MiB`, `1010 MiB`."""
    if abs(size) < 1024:
        return f"{size} B"
    power = next((n for n in range(1, len(_UNITS)) if abs(size) < 1023.5 * 1024**n), len(_UNITS))
    scaled = size / 1024**power
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f} {_UNITS[power - 1]}"
