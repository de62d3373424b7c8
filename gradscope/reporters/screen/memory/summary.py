"""The last line of the page: `peak 14.7 GiB · 5.94 GiB and 1.21x with the plan for 6 GiB · no findings`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradscope.facts.memory import MemoryUse, Strategy, StrategyKind
from gradscope.report import Report
from gradscope.reporters.memory_words import short_size, size_text, strategy_name
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.summary import counted, ending, pointed_lines, unseen
from gradscope.reporters.screen.words import plural


def summary_lines(report: Report, page: Page) -> list[Text]:
    """The peak, what it would be, how many findings there are, and how the program ended."""
    worst = report.worst()
    style = STYLES[worst] if worst is not None else STYLES["good" if _is_well(report) else "warning"]
    return pointed_lines(list(summary_parts(report, page)), style, page)


def _is_well(report: Report) -> bool:
    """Whether something was measured, and a plan was found where one was asked for."""
    memory = report.recording.memory
    if memory is None or memory.peak is None:
        return False
    return memory.plan is None or memory.plan.strategy is not None


def summary_parts(report: Report, page: Page) -> Iterator[str]:
    """What was found, the peak and what it would be, and how the program ended."""
    recording = report.recording
    if report.findings:
        yield ", ".join(counted(report))
    memory = recording.memory
    peak = memory.peak if memory is not None else None
    if memory is None or peak is None:
        yield "nothing was measured"
    else:
        yield f"peak {size_text(peak.size)}"
        strategy = _advised(memory)
        if strategy is not None and strategy.peak is not None:
            ratio = f" and {strategy.time_ratio:.2f}x" if strategy.time_ratio is not None else ""
            budget = memory.plan.budget if memory.plan is not None else None
            the = "the " if strategy.kind is StrategyKind.PLAN else ""
            yield f"{size_text(strategy.peak)}{ratio} with {the}{strategy_name(strategy, budget)}"
        if memory.plan is not None and memory.plan.strategy is None:
            yield f"no plan fits in {short_size(memory.plan.budget)}"
        if memory.unused:
            yield f"{plural(len(memory.unused), 'graph')} never used"
        if not report.findings:
            yield "no findings"
    yield from ending(report)
    if report.suppressed:
        yield f"{len(report.suppressed)} silenced"
    if recording.not_seen:
        yield f"not seen: {unseen(recording, page)}"


def _advised(memory: MemoryUse) -> Strategy | None:
    if memory.plan is not None and memory.plan.strategy is not None:
        return memory.plan.strategy
    return next((each for each in memory.strategies if each.kind is memory.recommended), None)
