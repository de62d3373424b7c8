"""The cheapest choices within a budget, beside all that there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from gradscope.facts import MemoryPhase
from gradscope.loader.work import Work
from gradscope.memory_use import planned as planned_module
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices, Measured
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.chain import Chain, Stage, chain_of
from gradscope.memory_use.costs import Costs, calibrated, cost, flop_costs, timed_costs
from gradscope.memory_use.planned import ATTEMPTS, planned
from gradscope.memory_use.planner import Planner, cheapest, lowest
from gradscope.memory_use.prediction import Prediction
from gradscope.memory_use.step_trace import trace_step
from gradscope.memory_use.traced import StepTrace
from tests.memory_use.works import Recurrent, Transformer, UNet, work_of

# ------------------------------------------------------------ over a chain


def stages(*each: tuple[str, int, int]) -> tuple[Stage, ...]:
    return tuple(Stage(option, saving, peak) for option, saving, peak in each)


CHAIN = Chain(
    (0, 1, 2),
    (
        stages((NONE, 0, 40), (BLOCK, 30, 20), (SELECTIVE, 10, 30)),
        stages((NONE, 0, 70), (BLOCK, 20, 60)),
        stages((NONE, 0, 100), (BLOCK, 40, 70), (SELECTIVE, 20, 90)),
    ),
    outside=15,
)
COSTS: Costs = (
    {NONE: 0.0, BLOCK: 3.0, SELECTIVE: 1.0},
    {NONE: 0.0, BLOCK: 2.5},
    {NONE: 0.0, BLOCK: 4.0, SELECTIVE: 1.5},
)


def every_choice(costs: Costs) -> Iterator[Choices]:
    yield from itertools.product(*costs)


@pytest.mark.parametrize("budget", range(10, 110, 3))
def test_the_chain_is_planned_as_well_as_by_trying_all(budget: int) -> None:
    able = [choices for choices in every_choice(COSTS) if CHAIN.peak(choices) <= budget]
    found = cheapest(CHAIN, COSTS, budget)
    if not able:
        assert found is None
    else:
        assert found is not None
        assert CHAIN.peak(found) <= budget
        assert cost(COSTS, found) == min(cost(COSTS, choices) for choices in able)


def test_the_lowest_of_a_chain() -> None:
    assert CHAIN.peak(lowest(CHAIN, 3)) == min(CHAIN.peak(choices) for choices in every_choice(COSTS))


def test_a_budget_below_what_is_outside_the_blocks_is_not_to_be_kept() -> None:
    assert cheapest(CHAIN, COSTS, 14) is None


# ------------------------------------------------------------ over traced steps


def transformer() -> Work:
    return work_of(Transformer(depth=5, width=32), torch.arange(8 * 24).reshape(8, 24) % 20)


def skips() -> Work:
    return work_of(UNet(), torch.randn(2, 3, 32, 32))


def lstm() -> Work:
    return work_of(Recurrent(depth=5, width=32), torch.randn(8, 16, 32))


def uneven() -> Work:
    """Blocks of different widths, and cheap next to dear ones."""
    widths = (32, 64, 16, 128, 8)
    layers = [nn.Sequential(nn.Linear(32, width), nn.GELU(), nn.Linear(width, 32)) for width in widths]
    return work_of(nn.Sequential(*layers), torch.randn(64, 32))


def invented(blocks: Sequence[BlockModule]) -> Costs:
    """Costs that need no clock: dear blocks and cheap ones."""
    prices = {NONE: 0.0, BLOCK: 3.0, SELECTIVE: 1.25}
    return tuple(
        {option: prices.get(option, 1.75) * (1 + number % 3) for option in block.options}
        for number, block in enumerate(blocks)
    )


@pytest.mark.parametrize("make", [transformer, skips, lstm, uneven])
def test_plans_are_near_the_best_and_never_over(make: Callable[[], Work]) -> None:
    torch.manual_seed(0)
    work = make()
    blocks = tuple(replace(block, options=block.options[:3]) for block in find_blocks(work))
    costs = invented(blocks)
    prediction = Prediction(trace_step(work, blocks))
    every = [(prediction.peak(choices), cost(costs, choices)) for choices in every_choice(costs)]
    planner = Planner(prediction, costs)
    low, high = min(peak for peak, _ in every), prediction.peak((NONE,) * len(blocks))
    assert prediction.peak(planner.floor()) <= 1.02 * low
    for part in range(6):
        budget = low + (high - low) * part // 5
        found = planner.plan(budget)
        assert found is not None
        assert prediction.peak(found) <= budget
        best = min(price for peak, price in every if peak <= budget)
        assert cost(costs, found) <= 1.1 * best
    assert planner.plan(high) == (NONE,) * len(blocks)
    assert planner.plan(low - 1) is None


def test_blocks_without_a_choice_stay() -> None:
    work = transformer()
    blocks = [
        replace(block, options=(NONE,) if number == 2 else block.options)
        for number, block in enumerate(find_blocks(work))
    ]
    prediction = Prediction(trace_step(work, blocks))
    planner = Planner(prediction, invented(blocks))
    assert planner.floor()[2] == NONE
    found = planner.plan(prediction.peak(planner.floor()))
    assert found is not None
    assert found[2] == NONE


def test_a_chain_of_a_real_step_expects_what_is_predicted() -> None:
    work = transformer()
    blocks = find_blocks(work)
    prediction = Prediction(trace_step(work, blocks))
    chain = chain_of(prediction, [block.options for block in blocks])
    assert chain.blocks == (0, 1, 2, 3, 4)
    for choices in ((NONE,) * 5, (BLOCK,) * 5, (BLOCK, NONE, SELECTIVE, NONE, BLOCK)):
        assert chain.peak(choices) == pytest.approx(prediction.peak(choices), rel=0.01)


# ------------------------------------------------------------ kept to


class Measuring:
    """Stands in for a measurement: the predicted peak, and what nobody foresaw."""

    def __init__(self, trace: StepTrace, more: Callable[[int], int]) -> None:
        self._prediction = Prediction(trace)
        self._more = more
        self.asked: list[Choices] = []

    def __call__(self, _work: Work, _blocks: Sequence[BlockModule], choices: Choices) -> Measured:
        self.asked.append(choices)
        peak = self._prediction.peak(choices)
        return Measured(peak + self._more(peak), peak, MemoryPhase.BACKWARD, 0)


@pytest.fixture(scope="module")
def traced() -> tuple[Work, tuple[BlockModule, ...], StepTrace]:
    torch.manual_seed(0)
    work = transformer()
    blocks = find_blocks(work)
    return work, blocks, trace_step(work, blocks)


Traced = tuple[Work, tuple[BlockModule, ...], StepTrace]


def test_a_plan_is_measured(traced: Traced) -> None:
    work, blocks, trace = traced
    costs = timed_costs(work, blocks)
    prediction = Prediction(trace)
    high, low = prediction.peak((NONE,) * 5), prediction.peak((BLOCK,) * 5)
    budget = (high + low) // 2
    made = planned(work, blocks, trace, budget, costs)
    assert made.choices is not None
    assert made.measured is not None
    assert made.predicted_peak is not None
    assert made.measured.peak <= budget
    assert made.predicted_peak == pytest.approx(made.measured.peak, rel=0.02)
    assert made.floor <= low
    assert sum(made.floor_kinds.values()) == pytest.approx(made.floor, rel=0.02)
    assert made.cost == cost(costs, made.choices)
    assert any("optimizer" in said for said in made.assumptions)


def test_what_is_over_is_planned_anew(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    work, blocks, trace = traced
    prediction = Prediction(trace)
    high, low = prediction.peak((NONE,) * 5), prediction.peak((BLOCK,) * 5)
    more = (high - low) // 10
    measuring = Measuring(trace, lambda _peak: more)
    monkeypatch.setattr(planned_module, "measure", measuring)
    budget = (high + low) // 2
    made = planned(work, blocks, trace, budget, invented(blocks))
    assert made.choices is not None
    assert made.measured is not None
    assert made.measured.peak <= budget
    assert 1 < len(measuring.asked) <= ATTEMPTS
    # told beforehand that a plain step takes more, it is right at once
    measuring.asked.clear()
    plain = (NONE,) * 5
    known = {plain: Measured(high + more, high, MemoryPhase.BACKWARD, 0)}
    again = planned(work, blocks, trace, budget, invented(blocks), known)
    assert again.choices == made.choices
    assert len(measuring.asked) == 1
    assert again.predicted_peak == made.measured.peak


def test_that_there_is_no_plan_is_said_after_the_lowest_was_measured(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, blocks, trace = traced
    floor = Planner(Prediction(trace), invented(blocks)).floor()
    low = Prediction(trace).peak(floor)
    measuring = Measuring(trace, lambda _peak: 0)
    monkeypatch.setattr(planned_module, "measure", measuring)
    made = planned(work, blocks, trace, low - 1, invented(blocks))
    assert made.choices is None
    assert made.floor == low
    assert made.floor_choices == floor
    assert measuring.asked == [floor]
    # it takes less than was predicted: then it is the plan
    monkeypatch.setattr(planned_module, "measure", Measuring(trace, lambda _peak: -100))
    assert planned(work, blocks, trace, low - 100, invented(blocks)).choices == floor


def test_where_the_lowest_plan_is_not_what_was_predicted_others_are_measured(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, blocks, trace = traced
    costs = invented(blocks)
    floor, attention = Planner(Prediction(trace), costs).floor(), ("attn",) * 5
    low = Prediction(trace).peak(floor)

    class Wrong(Measuring):
        def __call__(self, work: Work, blocks: Sequence[BlockModule], choices: Choices) -> Measured:
            self.asked.append(choices)
            return Measured(low if choices == attention else 10 * low, 0, MemoryPhase.BACKWARD, 0)

    monkeypatch.setattr(planned_module, "measure", Wrong(trace, lambda _peak: 0))
    assert planned(work, blocks, trace, low, costs).choices == attention
    made = planned(work, blocks, trace, low - 1, costs)
    assert made.choices is None
    assert (made.floor, made.floor_choices) == (low, attention)


def test_a_budget_of_nothing(traced: Traced) -> None:
    work, blocks, trace = traced
    made = planned(work, blocks, trace, 0, invented(blocks))
    assert made.choices is None
    assert made.floor > 0


# ------------------------------------------------------------ costs


def test_costs_are_of_what_is_run_again(traced: Traced) -> None:
    work, blocks, _ = traced
    costs = timed_costs(work, blocks)
    assert [tuple(its) for its in costs] == [block.options for block in blocks]
    assert all(its[NONE] == 0 for its in costs)
    assert all(0 < its[SELECTIVE] < its[BLOCK] for its in costs)
    assert len({its[BLOCK] for its in costs}) == 1  # they are equal


def test_costs_without_a_clock(traced: Traced) -> None:
    work, blocks, _ = traced
    costs = flop_costs(work, blocks)
    assert [tuple(its) for its in costs] == [block.options for block in blocks]
    assert all(its[NONE] == 0 < its[SELECTIVE] < its[BLOCK] for its in costs)
    assert all(0 < its["attn"] < its[BLOCK] for its in costs)
    assert costs[0] == costs[4]


def test_costs_are_scaled_to_what_was_timed() -> None:
    costs: Costs = ({NONE: 0.0, BLOCK: 1.0, SELECTIVE: 0.5, "mlp": 0.4}, {NONE: 0.0, BLOCK: 3.0})
    scaled = calibrated(
        costs,
        [
            ((BLOCK, NONE), 1.5),
            ((BLOCK, BLOCK), 9.0),  # said already
            ((SELECTIVE, NONE), 0.25),
            ((NONE, NONE), 0.1),
        ],
    )
    assert scaled == (
        {NONE: 0.0, BLOCK: 1.5, SELECTIVE: 0.25, "mlp": pytest.approx(0.6)},
        {NONE: 0.0, BLOCK: 4.5},
    )
    assert calibrated(costs, []) == costs


def test_what_a_selective_checkpoint_takes_for_itself_is_the_same_for_every_block() -> None:
    costs: Costs = ({NONE: 0.0, BLOCK: 1.0, SELECTIVE: 0.5}, {NONE: 0.0, BLOCK: 3.0, SELECTIVE: 0.1})
    scaled = calibrated(costs, [((BLOCK, BLOCK), 8.0), ((SELECTIVE, SELECTIVE), 2.0)])
    assert scaled[0] == {NONE: 0.0, BLOCK: 2.0, SELECTIVE: pytest.approx(1.0 + 0.4)}
    assert scaled[1] == {NONE: 0.0, BLOCK: 6.0, SELECTIVE: pytest.approx(0.2 + 0.4)}
