"""Words about a gate's outcomes that the formats share."""

from __future__ import annotations

from gradscope.outcomes import Outcome, Verdict


def unexplained(outcome: Outcome) -> str:
    """Why a target failed that has neither a trouble nor a finding that fails it, "" for any other: no plan
    of `gradscope memory` stays within the budget.
    """
    if outcome.verdict is Verdict.PASSED or outcome.trouble is not None or outcome.failing:
        return ""
    memory = outcome.report.recording.memory if outcome.report is not None else None
    has_no_plan = memory is not None and memory.plan is not None and memory.plan.strategy is None
    return "no plan stays within the budget" if has_no_plan else f"the target is {outcome.verdict}"
