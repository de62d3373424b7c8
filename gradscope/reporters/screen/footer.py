"""The end of the report: how the program ended, what was not seen, what was silenced, and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Final, TypeAlias

from rich.text import Text

from gradscope.facts import (
    InplaceConflict,
    InplaceRefused,
    MissingGraph,
    NonleafGradRead,
    ProgramError,
    Rebinding,
    Recording,
    SecondBackward,
)
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report, Suppressed
from gradscope.reporters.screen.findings import row_lines
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import plural

_MOST_SUPPRESSED: Final = 10
_MOST_ALIKE: Final = 3  # findings silenced by one thing that are listed with their places
_MOST_RULES: Final = 5
_LONGEST_MESSAGE: Final = 160
_POINT: Final = " · "
_LONGEST_UNSEEN: Final = 40  # a single thing not seen that is no longer than this stands in the summary


def program_lines(report: Report, page: Page) -> list[Text]:
    """The traceback of the exception that ended the program, empty where a finding explains it."""
    error = report.recording.program.error
    if error is None or is_explained(report):
        return []
    unexplained = "" if report.redacted else ", and no finding explains it"
    lines = error.rendered.rstrip("\n").split("\n")
    return [
        Text(f"the program failed{unexplained}", STYLES["error"]),
        *(Text("  " + page.text(line.expandtabs(4))) for line in lines),
    ]


def _last_line(error: ProgramError, page: Page) -> str:
    message = error.message.strip().partition("\n")[0]
    text = page.text(f"{error.type}: {message}" if message else error.type)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE].rpartition(" ")[0] + " ..."


def is_explained(report: Report) -> bool:
    """Whether a finding, shown or silenced, lies on what ended the program."""
    ended = _ending_places(report.recording)
    told = [*report.findings, *(silenced.finding for silenced in report.suppressed)]
    findings = [*told, *(consequence for finding in told for consequence in finding.consequences)]
    return any(
        finding.evidence.get("ended_program") is True or _touches(finding, ended) for finding in findings
    )


_CanEnd: TypeAlias = (
    MissingGraph | Rebinding | NonleafGradRead | InplaceConflict | InplaceRefused | SecondBackward
)


def _ending_places(recording: Recording) -> set[tuple[str, int]]:
    facts: tuple[_CanEnd, ...] = (
        *recording.missing_graphs,
        *recording.rebindings,
        *recording.nonleaf_grad_reads,
        *recording.inplace_conflicts,
        *recording.inplace_refused,
        *recording.second_backwards,
    )
    return {place.at for fact in facts if fact.ended_program for place in _locations(fact)}


def _locations(fact: object) -> Iterator[Location]:
    if isinstance(fact, Location):
        yield fact
    elif isinstance(fact, tuple):
        for part in fact:
            yield from _locations(part)
    elif is_dataclass(fact):
        for field in fields(fact):
            yield from _locations(getattr(fact, field.name))


def _touches(finding: Finding, places: set[tuple[str, int]]) -> bool:
    return finding.location is not None and finding.location.at in places


# ---------------------------------------------------------------- notes, and what was not seen


def remark_lines(report: Report, page: Page) -> list[Text]:
    """The exception that a finding explains, notes, what was not seen and what was silenced, a line each."""
    recording = report.recording
    error = recording.program.error
    rows = [("ended by", _last_line(error, page))] if error and is_explained(report) else []
    rows += [("note", page.text(note)) for note in recording.notes]
    if _unseen_alone(recording, page) is None:
        rows += [("not seen", page.text(item)) for item in recording.not_seen]
    rows += [("silenced", text) for text in _silenced(report.suppressed, page)]
    return row_lines(rows, page)


def _unseen_alone(recording: Recording, page: Page) -> str | None:
    if len(recording.not_seen) != 1:
        return None
    text = page.text(recording.not_seen[0])
    return text if cells(text) <= _LONGEST_UNSEEN else None


def _silenced(suppressed: Sequence[Suppressed], page: Page) -> list[str]:
    """Each finding with its place; a line for all where one thing silenced many."""
    groups: dict[str, list[Finding]] = {}
    for each in suppressed:
        groups.setdefault(each.by, []).append(each.finding)
    lines = [
        f"{text}, by {page.text(by)}"
        for by, findings in groups.items()
        for text in (
            [_counted(findings)] if len(findings) > _MOST_ALIKE else [_placed(one, page) for one in findings]
        )
    ]
    more = len(lines) - _MOST_SUPPRESSED
    return [*lines[:_MOST_SUPPRESSED], f"and {more:,} more"] if more > 0 else lines


def _counted(findings: Sequence[Finding]) -> str:
    counts = sorted(Counter(f"{finding.code} {finding.rule}" for finding in findings).items())
    listed = ", ".join(f"{count:,} {rule}" for rule, count in counts[:_MOST_RULES])
    rest = sum(count for _, count in counts[_MOST_RULES:])
    return f"{plural(len(findings), 'finding')} ({listed}{f' and {rest:,} more' if rest else ''})"


def _placed(finding: Finding, page: Page) -> str:
    at = f" at {page.line_at(finding.location)}" if finding.location else ""
    return f"{finding.code} {finding.rule}{at}"


# ---------------------------------------------------------------- the last line


def summary_lines(report: Report, page: Page) -> list[Text]:
    """`3 errors, 1 warning · 20 steps · 40 backwards watched · not seen: nothing`, broken at a point."""
    parts = _parts(report, page)
    lines = [Text(parts[0], _style(report))]
    for part in parts[1:]:
        if lines[-1].cell_len + len(_POINT) + cells(part) > page.width:
            lines[-1].append(_POINT.rstrip())
            lines.append(Text("  " + part))
        else:
            lines[-1].append(_POINT + part)
    return lines


def _parts(report: Report, page: Page) -> list[str]:
    recording = report.recording
    ran = recording.backward_passes > 0
    parts = [_judged(report, ran)]
    if recording.steps:
        parts.append(plural(recording.steps, "step"))
    if ran:
        parts.append(f"{plural(recording.backward_passes, 'backward')} watched")
    elif report.findings:
        parts.append("no backward was run")
    parts += _ending(report)
    if report.suppressed:
        parts.append(f"{len(report.suppressed)} silenced")
    return [*parts, f"not seen: {_unseen(recording, page)}"]


def _style(report: Report) -> str:
    worst = report.worst()
    if worst is not None:
        return STYLES[worst]
    return STYLES["good"] if report.recording.backward_passes else STYLES["warning"]


def _judged(report: Report, ran: bool) -> str:
    if not report.findings:
        return "no findings" if ran else "no backward was run, so nothing was checked"
    counts = Counter(finding.severity for finding in report.findings)
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}
    return ", ".join(plural(counts[severity], word) for severity, word in words.items() if counts[severity])


def _ending(report: Report) -> list[str]:
    program = report.recording.program
    if program.interrupted:
        return ["interrupted"]
    if program.stopped_after_steps is not None:
        return [f"stopped after {plural(program.stopped_after_steps, 'step')} as asked"]
    return [f"program's exit status {program.exit_status}"] if program.exit_status else []


def _unseen(recording: Recording, page: Page) -> str:
    if not recording.not_seen:
        return "nothing"
    return _unseen_alone(recording, page) or f"{len(recording.not_seen)}, listed above"
