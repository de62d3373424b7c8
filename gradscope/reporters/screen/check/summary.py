"""The last line of a check: `3 functions checked · 1 error · 1 warning · 0.9 s`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradscope.exits import nothing_checked
from gradscope.report import Report
from gradscope.reporters.screen.check.late import MORE_TIME, for_later, late_everywhere
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.summary import counted, ending, pointed_lines, unseen
from gradscope.reporters.screen.words import plural


def summary_lines(report: Report, page: Page) -> list[Text]:
    """How much was checked, and what was found."""
    return pointed_lines(list(summary_parts(report, page)), _style(report), page)


def summary_parts(report: Report, page: Page) -> Iterator[str]:
    """How much was checked, what was found, what was not looked at, and the time it took."""
    functions, models = report.recording.checked, report.recording.checked_models
    counts = [(sum(each.is_checked for each in functions), "function")]
    counts.append((sum(each.is_checked for each in models), "model"))
    checked = [plural(count, noun) for count, noun in counts if count]
    yield f"{' and '.join(checked)} checked" if checked else "nothing was checked"
    failed = len(functions) + len(models) - sum(count for count, _ in counts)
    if failed:
        yield f"{failed:,} not checked"
    if report.findings:
        yield from counted(report)
    elif checked:
        yield "no findings"
    yield from ending(report)
    if report.suppressed:
        yield f"{len(report.suppressed)} silenced"
    if report.recording.not_seen:
        yield f"not seen: {unseen(report.recording, page)}"
    late = late_everywhere(functions)
    if late:
        yield f"no time for {' and '.join(late)} ({MORE_TIME})"
    later = for_later(functions)
    if later:
        yield f"{' and '.join(later)} {'is' if len(later) == 1 else 'are'} tried from {MORE_TIME} on"
    if checked:
        yield _seconds(sum(each.seconds for each in functions) + sum(each.seconds for each in models))


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.05 else "less than 0.1 s"


def _style(report: Report) -> str:
    worst = report.worst()
    if worst is not None:
        return STYLES[worst]
    return STYLES["warning" if nothing_checked(report) else "good"]
