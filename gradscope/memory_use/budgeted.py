"""The plan for a budget: the cheapest choices that keep to it, measured beside the usual ways."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradscope.errors import UsageError
from gradscope.facts import Gradients, MemoryPhase, Plan, Strategy, StrategyKind
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import Measured
from gradscope.memory_use.budget import Budget
from gradscope.memory_use.comparison import Comparison, compare
from gradscope.memory_use.costs import Costs, calibrated, cost, flop_costs, timed_costs
from gradscope.memory_use.estimates import Estimates
from gradscope.memory_use.fakes import faked
from gradscope.memory_use.measuring import is_on_fake
from gradscope.memory_use.planned import Planned, planned
from gradscope.memory_use.prediction import Prediction
from gradscope.memory_use.step_trace import NotTraceableError, trace_step
from gradscope.memory_use.traced import StepTrace
from gradscope.memory_use.trying import Tried


@dataclass(frozen=True, slots=True)
class Budgeting:
    """Plans one step; `found` are the usual ways, measured."""

    work: Work
    tried: Tried
    say: Callable[[str], None]
    estimates: Estimates
    found: Comparison

    def plan(self, budget: Budget) -> Plan:
        """The plan. UsageError where the budget is a share of what could not be measured."""
        plain = self.found.strategies[0]
        if budget.share is not None and plain.peak is None:
            raise UsageError(
                "--budget: a share is one of the peak without checkpointing, and that could not be measured: "
                f"{plain.failure}",
                try_next="--budget 8GiB",
            )
        allowed = budget.of(plain.peak or 0)
        self.say("planning")
        blocks = self.tried.blocks
        try:
            trace, costs = self._traced()
        except NotTraceableError as error:
            return self._usual_plan(allowed, error)
        made = planned(
            self.work,
            blocks,
            trace,
            allowed,
            costs,
            {each.choices: _measured(each) for each in self.found.strategies if each.peak is not None},
        )
        strategy = self._planned_strategy(made) if made.choices is not None else None
        faster = _fastest(self.found, allowed)
        if strategy is not None and faster is not None and _time(faster) < _time(strategy):
            # Costs do not add up to the last percent.
            strategy = self._predicted(replace(faster, kind=StrategyKind.PLAN), trace, costs)
        return Plan(allowed, strategy, made.floor, dict(made.floor_kinds), made.assumptions)

    def _usual_plan(self, allowed: int, error: NotTraceableError) -> Plan:
        """The fastest of the usual ways that fits, of a step that cannot be traced."""
        peaks = [each.peak for each in self.found.strategies if each.peak is not None]
        if not peaks:
            raise error
        fits = _fastest(self.found, allowed)
        strategy = replace(fits, kind=StrategyKind.PLAN) if fits is not None else None
        return Plan(allowed, strategy, min(peaks), {}, (f"only the usual ways were tried, as {error.why}",))

    def _traced(self) -> tuple[StepTrace, Costs]:
        """A plain step, and what every option costs; on fake tensors where a plain step does not fit."""
        blocks = self.tried.blocks
        if self.found.strategies[0].failure is None:
            return trace_step(self.work, blocks), self._costs()
        with faked(self.work, os.getcwd()) as fake:
            return trace_step(fake, blocks), flop_costs(fake, blocks)

    def _costs(self) -> Costs:
        """Seconds, scaled to the steps that were timed; on fake tensors floating-point operations."""
        if is_on_fake(self.work):
            return flop_costs(self.work, self.tried.blocks)
        costs = timed_costs(self.work, self.tried.blocks)
        if self.found.step_seconds is None:
            return costs
        longer = [
            (each.choices, (each.time_ratio - 1) * self.found.step_seconds)
            for each in self.found.strategies
            if each.time_ratio is not None and each.kind is not StrategyKind.NONE
        ]
        return calibrated(costs, longer)

    def _planned_strategy(self, made: Planned) -> Strategy:
        """The plan, measured and timed beside a plain step like every other strategy.

        Where it is one of these, with the figures of that one.
        """
        assert made.choices is not None
        plain = self.found.strategies[0]
        strategy = next((each for each in self.found.strategies if each.choices == made.choices), None)
        if strategy is None:
            chosen = {StrategyKind.NONE: plain.choices, StrategyKind.PLAN: made.choices}
            measured = self.estimates.with_costs(compare(self.work, self.tried, chosen, say=self.say))
            strategy = measured.strategies[1]
        strategy = replace(strategy, kind=StrategyKind.PLAN)
        if made.measured is not None and strategy.peak is not None:
            strategy = replace(strategy, peak=min(strategy.peak, made.measured.peak))
        ratio = None if made.cost is None else self._expected_ratio(made.cost)
        return replace(strategy, predicted_peak=made.predicted_peak, predicted_time_ratio=ratio)

    def _predicted(self, strategy: Strategy, trace: StepTrace, costs: Costs) -> Strategy:
        """A measured strategy with what the planner expects of its choices."""
        prediction, plain = Prediction(trace), self.found.strategies[0]
        within_ops = 0 if plain.peak is None else plain.peak - prediction.peak(plain.choices)
        return replace(
            strategy,
            predicted_peak=prediction.peak(strategy.choices) + within_ops,
            predicted_time_ratio=self._expected_ratio(cost(costs, strategy.choices)),
        )

    def _expected_ratio(self, more: float) -> float | None:
        """The time of a step that costs so much more than a plain one, beside that."""
        if is_on_fake(self.work):
            return 1 + more / self.estimates.flops().plain
        return 1 + more / self.found.step_seconds if self.found.step_seconds else None


def _fastest(found: Comparison, allowed: int) -> Strategy | None:
    """The fastest strategy that keeps to the budget and changes no gradient."""
    fit = [
        each
        for each in found.strategies
        if each.peak is not None and each.peak <= allowed and each.gradients is not Gradients.DIFFERENT
    ]
    return min(fit, key=_time, default=None)


def _time(strategy: Strategy) -> float:
    return math.inf if strategy.time_ratio is None else strategy.time_ratio


def _measured(strategy: Strategy) -> Measured:
    assert strategy.peak is not None
    phase = strategy.peak_phase or MemoryPhase.BACKWARD
    return Measured(strategy.peak, strategy.peak, phase, strategy.saved or 0, strategy.reserved)
