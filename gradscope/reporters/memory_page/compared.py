"""What the page is told of the ways of checkpointing, the plan for a budget, and a sweep."""

from __future__ import annotations

import math
from typing import Any

from gradscope.errors import printable
from gradscope.facts.memory import Block, MemoryUse, Plan, Strategy, StrategyKind, Sweep
from gradscope.reporters.memory_words import SWEPT, kind_sizes, option_words, strategy_name


def comparison_of(memory: MemoryUse) -> dict[str, Any]:
    """`strategies`, `blocks`, `plan`, `code` and why nothing was compared."""
    plan = memory.plan
    budget = plan.budget if plan is not None else None
    advised = _advised(memory)
    return {
        "strategies": [_strategy(each, budget, is_advised=each is advised) for each in memory.strategies],
        "blocks": [_block(each) for each in memory.blocks],
        "plan": None if plan is None else _plan(plan),
        "code": printable(memory.code or ""),
        "notCompared": printable(memory.not_compared or ""),
    }


def _advised(memory: MemoryUse) -> Strategy | None:
    """The strategy that the code applies."""
    kind = memory.recommended
    return next((each for each in memory.strategies if kind is not None and each.kind is kind), None)


def _strategy(each: Strategy, budget: int | None, *, is_advised: bool) -> dict[str, Any]:
    difference = each.largest_difference
    return {
        "name": strategy_name(each, budget),
        "isPlain": each.kind is StrategyKind.NONE,
        "isAdvised": is_advised,
        "choices": [printable(option_words(option)) for option in each.choices],
        "peak": each.peak,
        "phase": "" if each.peak_phase is None else each.peak_phase.value,
        "saved": each.saved,
        "time": each.time_ratio,
        "recomputed": each.recomputed,
        "gradients": each.gradients.value,
        "different": [printable(name) for name in each.different],
        "difference": None if difference is None or not math.isfinite(difference) else difference,
        "predictedPeak": each.predicted_peak,
        "predictedTime": each.predicted_time_ratio,
        "reserved": each.reserved,
        "failure": printable(each.failure or ""),
    }


def _block(block: Block) -> dict[str, Any]:
    return {
        "path": printable(block.path),
        "class": printable(block.class_name),
        "saved": block.saved,
        "seconds": block.seconds,
        "calls": block.calls,
        "reason": printable(block.reason or ""),
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "budget": plan.budget,
        "fits": plan.strategy is not None,
        "floor": plan.floor,
        "floorKinds": [[kind.value, size] for kind, size in kind_sizes(plan.floor_kinds)],
        "assumptions": [printable(each) for each in plan.assumptions],
    }


def sweep_of(sweep: Sweep | None) -> dict[str, Any] | None:
    """The curve over a size, None without one."""
    if sweep is None:
        return None
    return {
        "what": SWEPT[sweep.kind],
        "current": sweep.current,
        "fake": sweep.on_fake,
        "points": [
            {
                "value": each.value,
                "plain": each.plain,
                "checkpointed": each.checkpointed,
                "plainSaved": each.plain_saved,
                "checkpointedSaved": each.checkpointed_saved,
                "failure": printable(each.failure or ""),
            }
            for each in sweep.points
        ],
    }
