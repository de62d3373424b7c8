"""Whether learning-rate schedulers step before their optimizers do."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts import StepOrder, StepOutOfOrder
from gradscope.folds.places import Place
from gradscope.folds.visits import location

_MOST = 256


@dataclass(slots=True)
class _Schedule:
    """One scheduler. `early` as long as every call comes from one line, the first before any step."""

    optimizer: int
    place: Place
    early: bool
    steps: int
    count: int = 1


class ScheduleFold:
    """Counts optimizer steps, and compares every scheduler step with them.

    A scheduler that is first wound forward to resume a run calls it several times without a step
    between, or from a line of its own, and is no finding.
    """

    def __init__(self) -> None:
        self._steps: dict[int, tuple[int, Place, str]] = {}
        self._schedules: dict[int, _Schedule] = {}

    def stepped(self, optimizer: int, name: str, place: Place) -> None:
        """An optimizer stepped, or its GradScaler skipped that step."""
        count = self._steps[optimizer][0] if optimizer in self._steps else 0
        self._steps[optimizer] = (count + 1, place, name)

    def scheduled(self, scheduler: int, optimizer: int, place: Place) -> None:
        """A scheduler stepped to its next value."""
        steps = self._steps[optimizer][0] if optimizer in self._steps else 0
        known = self._schedules.get(scheduler)
        if known is None:
            if len(self._schedules) < _MOST:
                self._schedules[scheduler] = _Schedule(optimizer, place, steps == 0, steps)
            return
        known.early = known.early and known.place is place and steps > known.steps
        known.steps = steps
        known.count += 1

    def facts(self) -> tuple[StepOutOfOrder, ...]:
        """The schedulers that were a step ahead from the beginning, seen at least twice."""
        found = []
        for known in self._schedules.values():
            if known.early and known.count > 1:
                _, step, name = self._steps[known.optimizer]
                found.append(
                    StepOutOfOrder(
                        StepOrder.SCHEDULER_FIRST,
                        location(known.place),
                        name,
                        other=location(step),
                        count=known.count,
                    )
                )
        return tuple(found)
