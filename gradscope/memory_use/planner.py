"""The cheapest checkpointing that stays within a budget of memory.

Dynamic programming over the chain of blocks, from the first to the last: the state is what the blocks so far
save, and of all ways to save as much the cheapest is kept. What it finds is judged by the exact prediction
and improved block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, Choices
from gradscope.memory_use.chain import Chain, Stage, chain_of
from gradscope.memory_use.costs import Costs, cheapest_first, cost
from gradscope.memory_use.prediction import Prediction

STATES: Final = 600
"""Different savings that are told apart."""
_TURNS: Final = 6
_ALIKE: Final = 1e-6
_EVALUATED: Final = 700_000
"""Events that the exact prediction goes through at most while a plan is improved."""


class Planner:
    """Plans for one traced step; `costs` have the options of every block."""

    def __init__(self, prediction: Prediction, costs: Costs) -> None:
        self.prediction = prediction
        self.costs = costs
        self._chain = chain_of(prediction, [tuple(its) for its in costs])
        self._most = max(20, _EVALUATED // max(1, prediction.trace.events))
        self._left = 0
        self._floor: Choices | None = None

    def plan(self, budget: int) -> Choices | None:
        """The cheapest choices with a predicted peak of `budget` bytes at most, None where there are none."""
        found: list[Choices] = []
        allowed = budget
        for _ in range(_TURNS):
            choices = cheapest(self._chain, self.costs, allowed)
            if choices is None:
                break
            peak = self.prediction.peak(choices)
            if peak <= budget:
                found.append(choices)
                room = self._chain.peak(choices) - peak
                if room <= 0 or allowed > budget:
                    break
                allowed = budget + room  # the chain expects too much
            else:
                allowed -= max(1, peak - budget)
        floor = self.floor()
        if self.prediction.peak(floor) <= budget:
            found.append(floor)
        self._left = self._most
        improved = [self._improved(choices, budget) for choices in sorted(set(found), key=self._cost)[:2]]
        return self._swapped(min(improved, key=self._cost), budget) if improved else None

    def _cost(self, choices: Choices) -> float:
        return cost(self.costs, choices)

    def floor(self) -> Choices:
        """The choices with the lowest predicted peak that could be found."""
        if self._floor is None:
            every = tuple(_first(its, BLOCK, SELECTIVE) for its in self.costs)
            tried = {every, lowest(self._chain, len(self.costs)), (NONE,) * len(self.costs)}
            best = min(tried, key=lambda choices: (self.prediction.peak(choices), cost(self.costs, choices)))
            self._floor = self._lowered(best)
        return self._floor

    def uniform(self) -> list[Choices]:
        """Every option wherever there is one, the others as they are."""
        options = dict.fromkeys(option for its in self.costs for option in its)
        return [tuple(option if option in its else NONE for its in self.costs) for option in options]

    def _improved(self, choices: Choices, budget: int) -> Choices:
        """Every block, the dearest first, with a cheaper option where the peak allows it."""
        for block in sorted(self._chain.blocks, key=lambda block: -self.costs[block][choices[block]]):
            for option in self._cheaper(block, choices[block]):
                other = _with(choices, block, option)
                if self._fits(other, budget):
                    choices = other
                    break
        return choices

    def _swapped(self, choices: Choices, budget: int) -> Choices:
        """Two blocks at a time, one cheaper and one dearer, as long as that is cheaper together."""
        found: Choices | None = choices
        while found is not None:
            choices = found
            found = next((other for other in self._swaps(choices) if self._fits(other, budget)), None)
        return choices

    def _swaps(self, choices: Choices) -> Iterator[Choices]:
        for block, other in permutations(self._chain.blocks, 2):
            for cheaper in self._cheaper(block, choices[block]):
                gain = self.costs[block][choices[block]] - self.costs[block][cheaper]
                for dearer, price in self.costs[other].items():
                    if 0 < price - self.costs[other][choices[other]] < gain * (1 - _ALIKE):
                        yield _with(_with(choices, block, cheaper), other, dearer)

    def _cheaper(self, block: int, choice: str) -> list[str]:
        its = self.costs[block]
        return [option for option in cheapest_first(its) if its[option] < its[choice]]

    def _fits(self, choices: Choices, budget: int) -> bool:
        """Whether the peak is within the budget; also not when enough was tried."""
        self._left -= 1
        return self._left >= 0 and self.prediction.peak(choices) <= budget

    def _lowered(self, choices: Choices) -> Choices:
        """Every block with another option where that lowers the peak."""
        left, peak = self._most, self.prediction.peak(choices)
        for block in self._chain.blocks:
            for option in self.costs[block]:
                if option != choices[block] and left:
                    left -= 1
                    other = _with(choices, block, option)
                    reached = self.prediction.peak(other)
                    if reached < peak:
                        choices, peak = other, reached
        return choices


def _first(its: Mapping[str, float], *options: str) -> str:
    return next((option for option in options if option in its), NONE)


def _with(choices: Choices, block: int, option: str) -> Choices:
    return (*choices[:block], option, *choices[block + 1 :])


# ------------------------------------------------------------ over the chain


@dataclass(frozen=True, slots=True)
class _State:
    """The blocks so far: what they save, what they cost, and the stage that led here."""

    saving: int
    cost: float
    stage: Stage | None = None
    before: _State | None = None


def cheapest(chain: Chain, costs: Costs, budget: int) -> Choices | None:
    """The cheapest choices by which the chain keeps to the budget, None where it cannot."""
    if chain.outside > budget:
        return None
    width = max(1, sum(max(stage.saving for stage in stages) for stages in chain.stages) // STATES)
    states = [_State(0, 0.0)]
    for block, stages in zip(chain.blocks, chain.stages, strict=True):
        its = costs[block]
        found: dict[int, _State] = {}
        for stage in stages:
            price, needed = its[stage.option], stage.peak - budget
            for state in states:
                if state.saving < needed:
                    continue
                saving, total = state.saving + stage.saving, state.cost + price
                key = saving // width
                known = found.get(key)
                if known is None or (total, -saving) < (known.cost, -known.saving):
                    found[key] = _State(saving, total, stage, state)
        states = _best(found)
        if not states:
            return None
    return _choices(chain, min(states, key=lambda state: (state.cost, -state.saving)), len(costs))


def _best(found: dict[int, _State]) -> list[_State]:
    """Without those that save less than another and cost no less."""
    kept: list[_State] = []
    for _, state in sorted(found.items(), reverse=True):
        if not kept or state.cost < kept[-1].cost:
            kept.append(state)
    return kept


def _choices(chain: Chain, state: _State | None, count: int) -> Choices:
    choices = [NONE] * count
    for block in reversed(chain.blocks):
        assert state is not None
        assert state.stage is not None
        choices[block] = state.stage.option
        state = state.before
    return tuple(choices)


def lowest(chain: Chain, count: int) -> Choices:
    """The choices with the lowest peak by the chain: of all that keep to it, each block saves the most."""
    peaks = sorted({stage.peak for stages in chain.stages for stage in stages} | {chain.outside})
    low, high = chain.outside, max(peaks)
    best = _saving_most(chain, high, count)
    assert best is not None
    while low < high:
        middle = (low + high) // 2
        found = _saving_most(chain, middle, count)
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    return best


def _saving_most(chain: Chain, budget: int, count: int) -> Choices | None:
    choices, saved = [NONE] * count, 0
    for block, stages in zip(chain.blocks, chain.stages, strict=True):
        able = [stage for stage in stages if stage.peak - saved <= budget]
        if not able:
            return None
        stage = max(able, key=lambda stage: stage.saving)
        choices[block] = stage.option
        saved += stage.saving
    return tuple(choices)
