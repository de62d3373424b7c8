"""The checks for which no time was left, told once for all functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gradscope.facts import GRADIENT, NEEDS_MORE, NO_TIME, CheckedFunction, CheckOutcome, Outcome
from gradscope.reporters.screen.words import plural

MORE_TIME: Final = "--time-limit 20"
"""The option that gives every check its time."""
_MOST_COMMON: Final = 2
_MOST_CHECKS: Final = 4
_MOST_NAMES: Final = 2
_MOST_GROUPS: Final = 3


def is_late(outcome: CheckOutcome) -> bool:
    """Whether it is one of them; where that is the gradient itself, the function's line says so."""
    is_open = outcome.outcome is Outcome.NOT_CHECKED and outcome.check != GRADIENT
    return is_open and outcome.detail.startswith(NO_TIME)


def is_for_later(outcome: CheckOutcome) -> bool:
    """Whether it is a check that is only tried where there is more time."""
    return outcome.outcome is Outcome.NOT_CHECKED and outcome.detail.startswith(NEEDS_MORE)


def for_later(functions: Sequence[CheckedFunction]) -> list[str]:
    """The checks that are only tried where there is more time, each once."""
    found = (each.check for function in functions for each in function.outcomes if is_for_later(each))
    return list(dict.fromkeys(found))


def late_everywhere(functions: Sequence[CheckedFunction]) -> list[str]:
    """The checks for which there was no time at any function, few enough for the summary: else none."""
    checked = [function for function in functions if function.outcomes]
    lacking = [{each.check for each in function.outcomes if is_late(each)} for function in checked]
    common = set.intersection(*lacking) if lacking else set()
    return sorted(common) if len(common) <= _MOST_COMMON else []


def late_notes(functions: Sequence[CheckedFunction]) -> list[str]:
    """`no time was left for vmap, dtypes (Norm): --time-limit ...`, or nothing."""
    common = late_everywhere(functions)
    of: dict[str, list[str]] = {}  # the functions, by the check that they lack
    for function in functions:
        for each in function.outcomes:
            if is_late(each) and each.check not in common:
                of.setdefault(each.check, []).append(function.name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for check, names in of.items():
        groups.setdefault(tuple(names), []).append(check)
    told = [f"{_checks(checks)} ({_names(names)})" for names, checks in groups.items()]
    if not told:
        return []
    more = f" and {len(told) - _MOST_GROUPS} more groups of checks" if len(told) > _MOST_GROUPS else ""
    advice = f"{MORE_TIME} gives every function more"
    return [f"{NO_TIME} for {'; '.join(told[:_MOST_GROUPS])}{more}: {advice}"]


def _checks(checks: Sequence[str]) -> str:
    more = len(checks) - _MOST_CHECKS
    return ", ".join(checks[:_MOST_CHECKS]) + (f" and {more} more" if more > 0 else "")


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMES else plural(len(names), "function")
