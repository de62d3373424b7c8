"""Everything that is compared of one step: strategies side by side, the plan for a budget, the sweep."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from typing import TypeAlias

from gradscope.errors import GradscopeError, UsageError
from gradscope.facts import (
    Block,
    Gradients,
    MemoryKind,
    MemoryPeak,
    MemoryPhase,
    MemoryUse,
    Plan,
    Strategy,
    StrategyKind,
    SweepKind,
)
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule, Measured
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.budget import Budget
from gradscope.memory_use.code import code_for
from gradscope.memory_use.comparison import Comparison, compare_these, usual_choices
from gradscope.memory_use.costs import Costs, calibrated, flop_costs, timed_costs
from gradscope.memory_use.fakes import faked
from gradscope.memory_use.flops import StepFlops, count_flops
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.memory_use.measuring import clean_up, in_short, is_on_fake, memory_error
from gradscope.memory_use.planned import Planned, planned
from gradscope.memory_use.step_trace import NotTraceableError, trace_step
from gradscope.memory_use.timing import time_forward
from gradscope.memory_use.traced import StepTrace
from gradscope.memory_use.trying import Tried, try_blocks

Say: TypeAlias = Callable[[str], None]
WORTH_IT = 0.9
"""A strategy is recommended where its peak is at most this share of the plain one's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be compared; `sweep` is (what varies, its values or None for usual ones)."""

    budget: Budget | None = None
    blocks: tuple[str, ...] = ()
    sweep: tuple[SweepKind, tuple[int, ...] | None] | None = None


def compared(work: Work, memory: MemoryUse, wanted: Wanted, say: Say) -> tuple[MemoryUse, tuple[str, ...]]:
    """`memory` with what checkpointing changes, and notes. UsageError for what cannot be done as asked.

    What the program prints in these steps is not shown: it has printed it already. A program that raises
    when it is run again is not compared.
    """
    try:
        with only_new_garbage(), _unprinted():
            return _compared(work, memory, wanted, say)
    except GradscopeError:
        raise
    except Exception as error:
        if not any(error is each for each in work.raised):
            raise
        clean_up(work)
        return replace(memory, not_compared=f"run again, the program raises {in_short(error)}"), ()


@contextmanager
def _unprinted() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def _compared(work: Work, memory: MemoryUse, wanted: Wanted, say: Say) -> tuple[MemoryUse, tuple[str, ...]]:
    say("finding the blocks")
    try:
        blocks = find_blocks(work, wanted.blocks)
    except (RuntimeError, MemoryError) as error:
        failure = memory_error(error)
        if failure is None:
            raise
        clean_up(work)
        return replace(memory, not_compared=f"even a forward that keeps nothing {failure}"), ()
    if wanted.sweep is not None:
        say(f"sweeping {wanted.sweep[0]}")
        from gradscope.memory_use.sweeps import sweep

        memory = replace(memory, sweep=sweep(work, *wanted.sweep, blocks))
    if not blocks:
        reason = "no module of it is called whose forward saves anything that could be checkpointed"
        if wanted.budget is not None:
            raise UsageError(f"--budget: there is nothing to plan: {reason}", try_next="--blocks 'PATTERN'")
        return replace(memory, not_compared=reason), ()
    say("trying which blocks can be checkpointed")
    tried = try_blocks(work, blocks)
    return _Whole(work, tried, say).told(memory, wanted.budget), tried.notes


@dataclass(slots=True)
class _Whole:
    """One comparison while it is made."""

    work: Work
    tried: Tried
    say: Say
    _flops: StepFlops | None = None

    def told(self, memory: MemoryUse, budget: Budget | None) -> MemoryUse:
        blocks = self.tried.blocks
        usual = usual_choices(blocks)
        found = compare_these(self.work, self.tried, usual, say=self.say)
        found = self.with_flops(found)
        plan = None
        strategies = found.strategies
        if budget is not None:
            plan = self.plan(budget, found)
            if plan.strategy is not None:
                strategies = (*strategies, plan.strategy)
        best = _recommended(strategies, plan)
        self.say("timing the blocks")
        return replace(
            memory,
            peaks=_with_scratch(memory.peaks, found.strategies[0]),
            step_seconds=found.step_seconds,
            blocks=self.blocks(found),
            strategies=strategies,
            plan=plan,
            recommended=best.kind if best is not None else None,
            code=code_for(self.work.roots, blocks, best.choices) or None if best is not None else None,
        )

    # ------------------------------------------------------------ the plan

    def plan(self, budget: Budget, found: Comparison) -> Plan:
        plain = found.strategies[0]
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
            trace, costs = self.traced(found)
        except NotTraceableError as error:
            return self.usual_plan(allowed, found, error)
        made = planned(
            self.work,
            blocks,
            trace,
            allowed,
            costs,
            {each.choices: _measured(each) for each in found.strategies if each.peak is not None},
        )
        strategy = self.planned_strategy(made, found) if made.choices is not None else None
        faster = _fastest(found, allowed)
        if strategy is not None and faster is not None and _time(faster) < _time(strategy):
            strategy = replace(faster, kind=StrategyKind.PLAN)  # costs do not add up to the last percent
        return Plan(allowed, strategy, made.floor, dict(made.floor_kinds), made.assumptions)

    def usual_plan(self, allowed: int, found: Comparison, error: NotTraceableError) -> Plan:
        """The fastest of the usual ways that fits, of a step that cannot be traced."""
        fits = _fastest(found, allowed)
        floor = min(each.peak for each in found.strategies if each.peak is not None)
        strategy = replace(fits, kind=StrategyKind.PLAN) if fits is not None else None
        return Plan(allowed, strategy, floor, {}, (f"only the usual ways were tried, as {error.why}",))

    def traced(self, found: Comparison) -> tuple[StepTrace, Costs]:
        """A plain step, and what every option costs; on fake tensors where a plain step does not fit."""
        blocks = self.tried.blocks
        if found.strategies[0].failure is None:
            return trace_step(self.work, blocks), self.costs(found)
        with faked(self.work, os.getcwd()) as fake:
            return trace_step(fake, blocks), flop_costs(fake, blocks)

    def costs(self, found: Comparison) -> Costs:
        """Seconds, scaled to the steps that were timed; on fake tensors floating-point operations."""
        if is_on_fake(self.work):
            return flop_costs(self.work, self.tried.blocks)
        costs = timed_costs(self.work, self.tried.blocks)
        if found.step_seconds is None:
            return costs
        longer = [
            (each.choices, (each.time_ratio - 1) * found.step_seconds)
            for each in found.strategies
            if each.time_ratio is not None and each.kind is not StrategyKind.NONE
        ]
        return calibrated(costs, longer)

    def planned_strategy(self, made: Planned, found: Comparison) -> Strategy:
        """The plan, measured and timed beside a plain step like every other strategy.

        Where it is one of these, with the figures of that one.
        """
        assert made.choices is not None
        plain = found.strategies[0]
        strategy = next((each for each in found.strategies if each.choices == made.choices), None)
        if strategy is None:
            chosen = {StrategyKind.NONE: plain.choices, StrategyKind.PLAN: made.choices}
            measured = self.with_flops(compare_these(self.work, self.tried, chosen, say=self.say))
            strategy = measured.strategies[1]
        strategy = replace(strategy, kind=StrategyKind.PLAN)
        if made.measured is not None and strategy.peak is not None:
            strategy = replace(strategy, peak=min(strategy.peak, made.measured.peak))
        ratio = self.expected_ratio(made, found)
        return replace(strategy, predicted_peak=made.predicted_peak, predicted_time_ratio=ratio)

    def expected_ratio(self, made: Planned, found: Comparison) -> float | None:
        if made.cost is None:
            return None
        if is_on_fake(self.work):
            return 1 + made.cost / self.flops().plain
        return 1 + made.cost / found.step_seconds if found.step_seconds else None

    # ------------------------------------------------------------ figures

    def with_flops(self, found: Comparison) -> Comparison:
        """On fake tensors, which take no time: ratios of floating-point operations."""
        if not is_on_fake(self.work):
            return found
        return replace(found, strategies=tuple(map(self.counted, found.strategies)))

    def flops(self) -> StepFlops:
        """What is counted of the step, once."""
        if self._flops is None:
            self.say("counting operations")
            self._flops = count_flops(self.work, self.tried.blocks)
        return self._flops

    def counted(self, strategy: Strategy) -> Strategy:
        """A strategy with its floating-point operations beside those of a plain step and forward."""
        flops = self.flops()
        if strategy.failure is not None or not flops.plain:
            return strategy
        more = flops.of(strategy.choices) - flops.plain
        again = min(1.0, more / flops.forward) if flops.forward else None
        return replace(strategy, time_ratio=1 + more / flops.plain, recomputed=again)

    def blocks(self, found: Comparison) -> tuple[Block, ...]:
        """The blocks as facts."""
        its = self.tried.blocks
        seconds: Sequence[float | None] = [None] * len(its)
        if not is_on_fake(self.work) and found.strategies[0].failure is None:
            seconds = time_forward(self.work, its).blocks
        return tuple(
            Block(
                path=self.name(block),
                class_name=type(block.module).__name__,
                saved=block.saved,
                seconds=taken,
                calls=block.calls,
                options=block.options,
                reason=block.reason,
            )
            for block, taken in zip(its, seconds, strict=True)
        )

    def name(self, block: BlockModule) -> str:
        """Its path; with several root modules, what the code calls its root before it."""
        return block.path if len(self.work.roots) == 1 else f"model_{block.root + 1}.{block.path}"


def _with_scratch(peaks: Sequence[MemoryPeak], plain: Strategy) -> tuple[MemoryPeak, ...]:
    """The peaks of tensors, the one of a plain step with what its allocator gave out within ops besides."""
    highest = max((peak.size for peak in peaks), default=0)
    more = (plain.peak or 0) - highest
    if more <= 0:
        return tuple(peaks)
    return tuple(_grown(peak, plain.peak or 0) if peak.phase is plain.peak_phase else peak for peak in peaks)


def _grown(peak: MemoryPeak, size: int) -> MemoryPeak:
    temporary = peak.kinds.get(MemoryKind.OTHER, 0) + size - peak.size
    return replace(peak, size=size, kinds={**peak.kinds, MemoryKind.OTHER: temporary})


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


def _recommended(strategies: Sequence[Strategy], plan: Plan | None) -> Strategy | None:
    """The plan where one was asked for; else what is worth it, with the least product of peak and time."""
    if plan is not None:
        return plan.strategy
    plain, *others = strategies
    sound = [each for each in others if each.peak is not None and each.gradients is not Gradients.DIFFERENT]
    if plain.peak is None:
        return min(sound, key=lambda each: each.peak or 0, default=None)
    worth = [each for each in sound if each.peak is not None and each.peak <= WORTH_IT * plain.peak]
    return min(worth, key=lambda each: (each.peak or 0) * (each.time_ratio or 1.0), default=None)
