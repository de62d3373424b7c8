"""What a comparison found."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts.checks import WrongGradient


@dataclass(frozen=True, slots=True)
class Comparison:
    """`wrong` is empty where every gradient agrees with the numerical one.

    `agreement` is the largest relative difference between them, None where nothing could be compared;
    `failed` says why then ("backward raises", "forward is not a function of its inputs"). `complete` is
    False where time ran out before every input was looked at. `deliberate` says that what differs is a
    surrogate gradient, not a mistake. `notes` are sentences for the report (a kink that was hit).
    """

    wrong: tuple[WrongGradient, ...] = ()
    agreement: float | None = None
    complete: bool = True
    failed: str = ""
    deliberate: bool = False
    notes: tuple[str, ...] = ()
