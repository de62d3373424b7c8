"""The last line of the report, where the eye ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from gradscope.facts import Recording
from gradscope.finding import Severity
from gradscope.report import Report
from gradscope.reporters.screen.footer import unseen_alone
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import plural, pointed


def summary_lines(report: Report, page: Page) -> list[Text]:
    """`3 errors, 1 warning · 20 steps · 40 backwards watched · not seen: nothing`, broken at a point."""
    return pointed_lines(summary_parts(report, page), _style(report), page)


def pointed_lines(parts: Sequence[str], style: str, page: Page) -> list[Text]:
    """The parts joined by points, the first in `style`; lines after the first are indented."""
    first, *rest = pointed(parts, page.width, page.width - 2)
    head = Text(first)
    head.stylize(style, 0, len(parts[0]))
    return [head, *(Text("  " + line) for line in rest)]


def summary_parts(report: Report, page: Page) -> list[str]:
    """What was found, how much was watched, how the program ended, what was not seen."""
    recording = report.recording
    ran = recording.backward_passes > 0
    parts = [_judged(report, ran)]
    if recording.steps:
        parts.append(plural(recording.steps, "step"))
    if ran:
        parts.append(f"{plural(recording.backward_passes, 'backward')} watched")
    elif report.findings:
        parts.append("no backward was run")
    parts += ending(report)
    if report.suppressed:
        parts.append(f"{len(report.suppressed)} silenced")
    return [*parts, f"not seen: {unseen(recording, page)}"]


def _style(report: Report) -> str:
    worst = report.worst()
    if worst is not None:
        return STYLES[worst]
    return STYLES["good"] if report.recording.backward_passes else STYLES["warning"]


def _judged(report: Report, ran: bool) -> str:
    if not report.findings:
        return "no findings" if ran else "no backward was run, so nothing was checked"
    return ", ".join(counted(report))


def counted(report: Report) -> list[str]:
    """How many findings of each severity: `3 errors`, `1 warning`."""
    counts = Counter(finding.severity for finding in report.findings)
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}
    return [plural(counts[severity], word) for severity, word in words.items() if counts[severity]]


def ending(report: Report) -> list[str]:
    """How the program ended, where it did not simply come to its end."""
    program = report.recording.program
    if program.interrupted:
        return ["interrupted"]
    if program.stopped_after_steps is not None:
        return [f"stopped after {plural(program.stopped_after_steps, 'step')} as asked"]
    return [f"program's exit status {program.exit_status}"] if program.exit_status else []


def unseen(recording: Recording, page: Page) -> str:
    """What was not seen, in a few words."""
    if not recording.not_seen:
        return "nothing"
    return unseen_alone(recording, page) or f"{len(recording.not_seen)}, listed above"
