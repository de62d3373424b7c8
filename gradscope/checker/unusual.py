"""Samples that a function may not be made for, and inputs that get no gradient: neither hides the rest."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.checker.numeric import Comparison
from gradscope.checker.point import Point, Sample
from gradscope.facts.checks import Cause


def not_meant(samples: Sequence[Sample], comparisons: Sequence[Comparison]) -> list[int]:
    """The numbers of unusual samples that show what no other sample shows: the first one never is."""
    usual = [one for sample, one in zip(samples, comparisons, strict=True) if not sample.unusual]
    known = {wrong.input_name for one in usual for wrong in one.wrong if wrong.cause is not Cause.MISSING}
    any_failed = any(one.failed for one in usual)
    found = []
    for number, (sample, one) in enumerate(zip(samples, comparisons, strict=True)):
        new = {wrong.input_name for wrong in one.wrong if wrong.cause is not Cause.MISSING} - known
        if number and sample.unusual and (new or (one.failed and not any_failed)):
            found.append(number)
    return found


def note_of(text: str, found: Comparison) -> str:
    """That a function does not work with the arguments that are told."""
    wrong = [one for one in found.wrong if one.cause is not Cause.MISSING]
    what = f"the gradient of `{wrong[0].input_name}` is wrong" if wrong else found.failed
    return f"{what} with {text}, which gradscope only tried: it may not be made for that"


def unreturned(point: Point, found: Comparison) -> frozenset[int]:
    """The leaves that get no gradient, where that is all that is wrong: the others can be checked on.

    A loss seldom gives one for its target.
    """
    if any(one.cause is not Cause.MISSING for one in found.wrong):
        return frozenset()
    missing = frozenset(point.active[one.input] for one in found.wrong)
    return missing if len(missing) < len(point.active) else frozenset()
