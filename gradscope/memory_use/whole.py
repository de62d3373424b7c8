"""Everything that is compared of one step: strategies side by side, the plan for a budget, the sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gradscope.errors import UsageError
from gradscope.facts import (
    Block,
    Gradients,
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
from gradscope.memory_use.flops import forward_flops, step_flops
from gradscope.memory_use.measuring import is_on_fake
from gradscope.memory_use.planned import Planned, planned
from gradscope.memory_use.step_trace import trace_step
from gradscope.memory_use.timing import time_forward
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
    """`memory` with what checkpointing changes, and notes. UsageError for what cannot be done as asked."""
    say("finding the blocks")
    blocks = find_blocks(work, wanted.blocks)
    if wanted.sweep is not None:
        say(f"sweeping {wanted.sweep[0]}")
        from gradscope.memory_use.sweeps import sweep

        memory = replace(memory, sweep=sweep(work, *wanted.sweep))
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
        made = planned(
            self.work,
            blocks,
            trace_step(self.work, blocks),
            allowed,
            self.costs(found),
            {each.choices: _measured(each) for each in found.strategies if each.peak is not None},
        )
        strategy = self.planned_strategy(made, found) if made.choices is not None else None
        return Plan(allowed, strategy, made.floor, dict(made.floor_kinds), made.assumptions)

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
        """The plan, measured and timed beside a plain step like every other strategy."""
        assert made.choices is not None
        plain = found.strategies[0]
        chosen = {StrategyKind.NONE: plain.choices, StrategyKind.PLAN: made.choices}
        measured = self.with_flops(compare_these(self.work, self.tried, chosen, say=self.say))
        strategy = measured.strategies[1]
        if made.measured is not None and strategy.peak is not None:
            strategy = replace(strategy, peak=min(strategy.peak, made.measured.peak))
        ratio = self.expected_ratio(made, found)
        return replace(strategy, predicted_peak=made.predicted_peak, predicted_time_ratio=ratio)

    def expected_ratio(self, made: Planned, found: Comparison) -> float | None:
        if made.cost is None:
            return None
        if is_on_fake(self.work):
            return 1 + made.cost / step_flops(self.work)
        return 1 + made.cost / found.step_seconds if found.step_seconds else None

    # ------------------------------------------------------------ figures

    def with_flops(self, found: Comparison) -> Comparison:
        """On fake tensors, which take no time: ratios of floating-point operations."""
        if not is_on_fake(self.work):
            return found
        self.say("counting operations")
        plain, forward = step_flops(self.work), forward_flops(self.work)
        return replace(
            found,
            strategies=tuple(self.counted(each, plain, forward) for each in found.strategies),
        )

    def counted(self, strategy: Strategy, plain: int, forward: int) -> Strategy:
        """A strategy with its floating-point operations beside those of a plain step and forward."""
        if strategy.failure is not None or not plain:
            return strategy
        its = step_flops(self.work, self.tried.blocks, strategy.choices)
        again = min(1.0, (its - plain) / forward) if forward else None
        return replace(strategy, time_ratio=its / plain, recomputed=again)

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
        """Its path; with several root modules, the class of its root before it."""
        if len(self.work.roots) == 1:
            return block.path
        return f"{type(self.work.roots[block.root]).__name__}.{block.path}"


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
