"""`--sweep`: what to vary, and over which values. No torch here."""

from __future__ import annotations

from typing import Final

from gradscope.errors import UsageError, caret, did_you_mean
from gradscope.facts.memory import SweepKind

MOST_VALUES: Final = 50
_LARGEST: Final = 10**7
_TRY: Final = ("--sweep depth", "--sweep batch=1,8,64", "--sweep seq=128,512,2048")


def parse_sweep(text: str) -> tuple[SweepKind, tuple[int, ...] | None]:
    """Reads "depth" or "depth=4,16,50": the values in rising order, each once; None where none are given.

    UsageError for another kind, with the nearest one, and for values that are no whole numbers from 1 up.
    """
    name, equals, listed = text.partition("=")
    kinds = [kind.value for kind in SweepKind]
    if name.strip() not in kinds:
        raise UsageError(
            f"--sweep cannot vary {name.strip() or 'nothing'}{did_you_mean(name.strip(), kinds)}",
            try_next=_TRY,
        )
    kind = SweepKind(name.strip())
    if not equals:
        return kind, None
    values = set()
    start = len(name) + 1
    for part in listed.split(","):
        values.add(_value(text, part, start))
        start += len(part) + 1
    if len(values) > MOST_VALUES:
        raise UsageError(f"--sweep takes at most {MOST_VALUES} values, not {len(values)}", try_next=_TRY)
    return kind, tuple(sorted(values))


def _value(text: str, part: str, start: int) -> int:
    if part.strip().isdecimal() and part.isascii() and 1 <= int(part) <= _LARGEST:
        return int(part)
    where = caret(text.replace("\n", " "), start, start + max(1, len(part)), label="--sweep")
    reason = f"{part.strip() or 'nothing'} is not a whole number from 1 to {_LARGEST}"
    raise UsageError(f"this --sweep cannot be used: {reason}", where=where, try_next=_TRY)
