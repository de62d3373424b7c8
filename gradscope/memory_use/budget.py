"""An amount of memory, as for `--budget`, or a share of what a plain step needs. No torch here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gradscope.errors import UsageError, did_you_mean

_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 2**10,
    "m": 2**20,
    "g": 2**30,
    "t": 2**40,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_TEXT = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>%|[A-Za-z]*)")
_TRY = ("--budget 8GiB", "--budget 500MB", "--budget 50%  of the peak without checkpointing")
_MOST = 2**60


@dataclass(frozen=True, slots=True)
class Budget:
    """Either `size` in bytes or `share`, above 0, of the peak without checkpointing."""

    size: int | None = None
    share: float | None = None

    def of(self, peak: int) -> int:
        """The bytes that it allows, where the peak without checkpointing is known."""
        if self.size is not None:
            return self.size
        assert self.share is not None
        return math.floor(self.share * peak)


def parse_budget(text: str, option: str = "--budget", examples: Sequence[str] = _TRY) -> Budget:
    """Reads "8GiB", "8G" (binary), "500MB" (decimal), "1000000" (bytes) or "50%"; UsageError for others.

    `option` and `examples` are the words of its errors.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text} is not an amount of memory", try_next=examples)
    number, unit = float(found["number"]), found["unit"]
    if unit == "%":
        return Budget(share=number / 100)
    scale = _UNITS.get(unit.casefold())
    if scale is None:
        known = ("KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB")
        raise UsageError(f"{option} {text}: no unit {unit}{did_you_mean(unit, known)}", try_next=examples)
    if number * scale > _MOST:
        raise UsageError(f"{option} {text} is more than any machine has", try_next=examples)
    return Budget(size=math.floor(number * scale))
