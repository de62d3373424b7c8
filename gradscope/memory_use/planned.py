"""A plan for a budget that was kept to: planned, measured, and planned anew where it went over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gradscope.facts import MemoryKind
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import NONE, BlockModule, Choices, Measured
from gradscope.memory_use.costs import Costs, cost
from gradscope.memory_use.flops import ASSUMPTION
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.memory_use.measuring import is_on_fake, measure
from gradscope.memory_use.planner import Planner
from gradscope.memory_use.prediction import Prediction
from gradscope.memory_use.traced import StepTrace

ATTEMPTS: Final = 4
TRUSTED: Final = 0.02
"""The share by which a prediction may be wrong; where the lowest plan is off by more, others are measured."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The cheapest `choices` that a measured step kept to the budget with; None where there are none.

    `cost` is what they cost more than a plain step, in the unit of the costs. `floor` is the lowest peak that
    any plan reaches, with `floor_choices`, and `floor_kinds` what it consists of.
    """

    budget: int
    choices: Choices | None
    floor: int
    floor_choices: Choices
    floor_kinds: Mapping[MemoryKind, int]
    measured: Measured | None = None
    predicted_peak: int | None = None
    cost: float | None = None
    assumptions: tuple[str, ...] = ()


def planned(
    work: Work,
    blocks: Sequence[BlockModule],
    trace: StepTrace,
    budget: int,
    costs: Costs,
    known: Mapping[Choices, Measured] | None = None,
) -> Planned:
    """Plans for a budget in bytes and measures the plan; at most 4 times, and the lowest plan at last.

    `known` are choices that were measured already: by them the prediction is corrected. What a step raises
    comes out.
    """
    planner = Planner(Prediction(trace), costs)
    search = _Search(work, blocks, planner, dict(known or {}))
    with only_new_garbage():
        choices = search.run(budget)
    floor = search.lowest()
    found = None if choices is None else search.measured[choices]
    return Planned(
        budget,
        choices,
        search.peak(floor),
        floor,
        planner.prediction.kinds(floor),
        measured=found,
        predicted_peak=None if choices is None else planner.prediction.peak(choices) + search.first_error,
        cost=None if choices is None else cost(costs, choices),
        assumptions=assumptions(work, blocks),
    )


@dataclass(slots=True)
class _Search:
    """Measured steps, and by how much the prediction was wrong in them."""

    work: Work
    blocks: Sequence[BlockModule]
    planner: Planner
    measured: dict[Choices, Measured]
    first_error: int = field(init=False)
    _error: int = field(init=False)

    def __post_init__(self) -> None:
        plain = self.measured.get((NONE,) * len(self.blocks))
        self.first_error = 0 if plain is None else self._off(plain, (NONE,) * len(self.blocks))
        self._error = self.first_error

    def _off(self, found: Measured, choices: Choices) -> int:
        return found.peak - self.planner.prediction.peak(choices)

    def peak(self, choices: Choices) -> int:
        """As measured, or as expected after what was measured."""
        known = self.measured.get(choices)
        return self.planner.prediction.peak(choices) + self._error if known is None else known.peak

    def run(self, budget: int) -> Choices | None:
        """The cheapest choices of those that kept to the budget; at least the lowest ones were tried."""
        for _ in range(ATTEMPTS):
            choices = self.planner.plan(budget - self._error)
            if choices is None:
                break
            found = self._measure(choices)
            if found.peak <= budget:
                break
            self._error = max(self._off(found, choices), self._error + 1)
        if self._fitting(budget) is None:
            floor = self.planner.floor()
            if abs(self._off(self._measure(floor), floor)) > TRUSTED * self.measured[floor].peak:
                for choices in self.planner.uniform():
                    self._measure(choices)
        return self._fitting(budget)

    def lowest(self) -> Choices:
        """The choices with the lowest peak: the planner's, or those that were measured and are lower."""
        return min([self.planner.floor(), *self.measured], key=self.peak)

    def _fitting(self, budget: int) -> Choices | None:
        fitting = (choices for choices, found in self.measured.items() if found.peak <= budget)
        return min(fitting, key=lambda choices: cost(self.planner.costs, choices), default=None)

    def _measure(self, choices: Choices) -> Measured:
        if choices not in self.measured:
            self.measured[choices] = measure(self.work, self.blocks, choices)
        return self.measured[choices]


def assumptions(work: Work, blocks: Sequence[BlockModule]) -> tuple[str, ...]:
    """What a plan rests on, in sentences."""
    on_fake = is_on_fake(work)
    said = [
        "all steps are like this one",
        "each block is a checkpoint of its own",
    ]
    if any(block.reason is not None for block in blocks):
        said.append("blocks that cannot be checkpointed stay as they are")
    if on_fake:
        said += [ASSUMPTION, "no op needs memory beyond its outputs"]
    else:
        said.append("the time of checkpoints adds up, block by block")
    if work.optimizer is None:
        said.append("an optimizer's state comes on top")
    if work.placement.device.type == "cuda":
        said.append("memory that the allocator reserves beyond what is allocated comes on top")
    return tuple(said)
