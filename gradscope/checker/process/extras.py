"""What is measured of a function beside its checks: the ways table, `--against` and `--sweep`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.process.request import Request
from gradscope.checker.run import with_facts
from gradscope.checker.subject import Subject
from gradscope.checker.ways.against import against
from gradscope.checker.ways.curves import sweep
from gradscope.checker.ways.table import ways
from gradscope.errors import TargetError
from gradscope.facts import CheckedFunction
from gradscope.loader.importing import attribute_of, import_target, is_file_of, read_named
from gradscope.loader.sweeps import Against, Sweep, read_against, read_sweep
from gradscope.loader.target import Kind, Target

_LEAST_SHARE = 0.25
"""Of a function's time, where its checks have used it up: these are wanted all the same."""


@dataclass(frozen=True, slots=True)
class Extras:
    """`derivative` is the function of `--against`, `against` its name."""

    derivative: Callable[..., Any] | None = None
    against: str = ""
    sweep: Sweep | None = None

    @classmethod
    def of(cls, request: Request, module: ModuleType) -> Extras:
        """Imports the derivative; TargetError where that cannot be done, or there is none of that name."""
        swept = read_sweep(request.sweep) if request.sweep else None
        if not request.against:
            return cls(sweep=swept)
        written = read_against(request.against)
        return cls(_derivative(written, request, module), written.name, swept)

    def added(
        self, checked: CheckedFunction, subject: Subject, samples: Sequence[Sample], seconds: float | None
    ) -> CheckedFunction:
        """The function with what was asked for, at the first sample where it can be evaluated.

        It takes what the checks have left of the `seconds`, and at least a share of them.
        """
        point = _first_point(subject, samples)
        deadline = _deadline(seconds, checked.seconds)
        if point is None:
            return checked
        if self.derivative is not None:
            checked = with_facts(checked, against(point, self.derivative, deadline, name=self.against))
        if self.sweep is not None:
            swept = self.sweep
            curve = sweep(point, swept.name, swept.start, swept.stop, swept.count)
            checked = replace(checked, curves=(curve,))
        return replace(checked, ways=ways(point, deadline))


def _deadline(seconds: float | None, used: float) -> Deadline:
    if seconds is None:
        return Deadline(float("inf"))
    return Deadline(max(seconds - used, _LEAST_SHARE * seconds))


def _first_point(subject: Subject, samples: Sequence[Sample]) -> Point | None:
    for sample in samples:
        point = Point.of(subject, sample)
        try:
            if point.active and point.values():
                return point
        except Exception:  # noqa: BLE001  the user's forward may raise anything; its check has said so
            continue
    return None


def _derivative(written: Against, request: Request, module: ModuleType) -> Callable[..., Any]:
    target = Target(request.against, Kind.FILE_ATTRIBUTE, written.path or request.place, written.name)
    option = f"--against {request.against}"

    def read() -> object:
        is_here = not written.path or is_file_of(module, target)
        return attribute_of(module if is_here else import_target(target), target)

    derivative = read_named(option, read)
    if not callable(derivative):
        raise TargetError(f"{option} is not a function")
    return derivative
