"""Everything that is compared of one step: strategies side by side, the plan for a budget, the sweep."""

from __future__ import annotations

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
    MemoryUse,
    Plan,
    Strategy,
    SweepKind,
)
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.budget import Budget
from gradscope.memory_use.budgeted import Budgeting
from gradscope.memory_use.code import code_for
from gradscope.memory_use.comparison import Comparison, compare, usual_choices
from gradscope.memory_use.estimates import Estimates
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.memory_use.measuring import clean_up, in_short, is_on_fake, memory_error
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


@dataclass(frozen=True, slots=True)
class _Whole:
    """One comparison while it is made."""

    work: Work
    tried: Tried
    say: Say

    def told(self, memory: MemoryUse, budget: Budget | None) -> MemoryUse:
        blocks = self.tried.blocks
        usual = usual_choices(blocks)
        estimates = Estimates(self.work, self.tried, self.say)
        found = estimates.with_costs(compare(self.work, self.tried, usual, say=self.say))
        plan = None
        strategies = found.strategies
        if budget is not None:
            plan = Budgeting(self.work, self.tried, self.say, estimates, found).plan(budget)
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

    # ------------------------------------------------------------ figures

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
