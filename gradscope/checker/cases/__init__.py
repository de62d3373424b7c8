"""Every check beside the gradient itself, one a file: `@case(name, order)` on a function.

A check measures and says how it ended; it never judges, and whatever the user's code raises inside it is
its own business (`Facts` with a `WrongReturn`, or an outcome), not an exception that comes out. Adding a
check is adding a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import torch

from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.subject import Subject
from gradscope.checker.watched import Watched
from gradscope.facts.checks import CheckOutcome, Facts, Outcome


@dataclass(frozen=True, slots=True)
class Setting:
    """What a check is given. `point` is in float64 on the CPU, `sample` as the program gave it.

    `gradient_is_right` says that the gradient at the point agreed with the numerical one: a check that
    compares with it (layouts, dtypes) may take the analytical gradient for the truth then. `deliberate`
    says that it differs from the derivative on purpose (a declared approximation, or a surrogate): it is
    the truth all the same. `watched` is what was seen of the subject while the program itself ran.
    """

    subject: Subject
    point: Point
    sample: Sample
    deadline: Deadline
    gradient_is_right: bool
    watched: Watched
    device: torch.device
    deliberate: bool = False


Check: TypeAlias = Callable[[Setting], Facts]


@dataclass(frozen=True, slots=True)
class Case:
    """A registered check. Cheap and telling ones have a low `order`: time may run out."""

    name: str
    order: int
    check: Check


_registry: dict[str, Case] = {}


def case(name: str, order: int) -> Callable[[Check], Check]:
    """Registers a check under its name, which the report shows ("double backward")."""

    def register(check: Check) -> Check:
        _registry[name] = Case(name, order, check)
        return check

    return register


@cache
def all_cases() -> tuple[Case, ...]:
    """Every check, in the order they are run; imports their files on first use."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return tuple(sorted(_registry.values(), key=lambda each: (each.order, each.name)))


def passed(name: str, detail: str = "") -> Facts:
    """The facts of a check that found nothing."""
    return Facts(CheckOutcome(name, Outcome.PASSED, detail))


def not_applicable(name: str, why: str) -> Facts:
    """The facts of a check that has nothing to look at."""
    return Facts(CheckOutcome(name, Outcome.NOT_APPLICABLE, why))


def not_checked(name: str, why: str) -> Facts:
    """The facts of a check that could not tell."""
    return Facts(CheckOutcome(name, Outcome.NOT_CHECKED, why))


def failed(name: str, detail: str) -> CheckOutcome:
    """The outcome of a check that found something."""
    return CheckOutcome(name, Outcome.FAILED, detail)
