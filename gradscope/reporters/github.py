"""GitHub annotations: a workflow command a finding, which GitHub shows at its line of a pull request.

The grammar and the limits are those of the runner (github.com/actions/runner, ActionCommand.cs and
ExecutionContext.cs): of each level it shows the first ten of a step, of a message the first 4,096 UTF-16
units, and columns only where a place does not go over several lines. The worst comes first, and what is not
shown stands in the log.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TextIO

from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, Outcome, Trouble
from gradscope.report import Report
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.paths import short_path
from gradscope.reporters.target_files import trouble_place

if TYPE_CHECKING:
    from gradscope.reporters.screen.page import Page

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_ORDER: Final = {level: number for number, level in enumerate(_LEVELS.values())}
_SHOWN: Final = 10  # annotations of one level
_LONGEST_MESSAGE: Final = 4096  # UTF-16 units
_NAMED: Final = 3  # targets in a title
_LONGEST_TITLE: Final = 200  # characters; 255 is what the checks take
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes a line an annotation, nothing where there is nothing to say.

    Files are relative to the repository, which is GITHUB_WORKSPACE where `cwd` lies in it, else `cwd`.
    """
    from gradscope.reporters.screen.page import Page

    page = Page(cwd=cwd)
    found = [each for outcome in gate.outcomes for each in _annotations(outcome, page)]
    merged = _merged(found) if gate.is_gate else found
    merged.sort(key=lambda each: _ORDER[each.level])
    for each in _with_count(merged):
        out.write(f"{each.command(page)}\n")


@dataclass(frozen=True, slots=True)
class _Annotation:
    level: str
    title: str
    message: str
    location: Location | None = None
    target: str = ""  # of a finding: whose it is

    def command(self, page: Page) -> str:
        """The workflow command. A place that is no file of the repository is named in the message."""
        properties = _place(self.location, page.cwd) if self.location is not None else {}
        message = self.message
        if self.location is not None and not properties:
            message = f"{page.at(self.location)}: {message}"
        properties["title"] = _clipped(self.title, _LONGEST_TITLE)
        told = ",".join(
            f"{name}={page.text(value).translate(_PROPERTY)}" for name, value in properties.items()
        )
        return f"::{self.level} {told}::{_clipped(message, _LONGEST_MESSAGE).translate(_DATA)}"


def _merged(found: list[_Annotation]) -> list[_Annotation]:
    """The finding of several targets once, as severe as in the worst, with their names in its title."""
    groups: dict[object, list[_Annotation]] = {}
    for each in found:
        at = each.location.at if each.location is not None else None
        groups.setdefault((each.title, at, each.message.partition("\n")[0]), []).append(each)
    return [
        replace(first, title=f"{first.title} ({_listed([each.target for each in group])})")
        if first.target
        else first
        for group in groups.values()
        for first in [max(group, key=lambda each: -_ORDER[each.level])]
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _with_count(found: list[_Annotation]) -> list[_Annotation]:
    """The annotations, before the notices one that says how many are not shown, if any."""
    counts = Counter(each.level for each in found)
    beyond = sum(max(0, count - _SHOWN) for count in counts.values())
    if not beyond:
        return found
    first = len(found) - counts["notice"]
    beyond += counts["notice"] >= _SHOWN  # this one takes the place of one
    message = (
        f"in the log alone: {beyond:,} of gradscope's {len(found):,} annotations; GitHub shows "
        f"{_SHOWN} errors, {_SHOWN} warnings and {_SHOWN} notices of a step"
    )
    return [*found[:first], _Annotation("notice", "gradscope", message), *found[first:]]


# ---------------------------------------------------------------- what is annotated


def _annotations(outcome: Outcome, page: Page) -> Iterator[_Annotation]:
    """The trouble of a target where its program was, or where the configuration states it; its findings."""
    report = outcome.report
    if outcome.trouble is not None:
        yield _of_trouble(outcome, outcome.trouble, page)
    elif message := unexplained(outcome):
        title = f"gradscope {outcome.command}: {page.text(outcome.name)}"
        yield _Annotation("error", title, message, outcome.stated_at)
    if report is not None:
        name = page.text(outcome.name)
        yield from (_of_finding(finding, report, name, page) for finding in report.findings)


def _of_trouble(outcome: Outcome, trouble: Trouble, page: Page) -> _Annotation:
    title = f"gradscope {outcome.command}: {page.text(outcome.name)}: {trouble.kind.value}"
    details = [page.text(line.expandtabs(4)) for line in trouble.details]
    message = "\n".join([page.text(page.shortened(trouble.message)), *details])
    return _Annotation("error", title, message, trouble_place(outcome))


def _of_finding(finding: Finding, report: Report, target: str, page: Page) -> _Annotation:
    """The message of a finding, its label, the other places, and what is told below a code frame."""
    from gradscope.reporters.screen.findings import finding_rows

    lines = [page.text(finding.message)]
    if finding.label:
        lines.append(page.text(finding.label))
    lines += [f"{page.at(other.location)}: {page.text(other.message)}" for other in finding.related]
    for heading, text in finding_rows(finding, report.recording, page):
        joint = "\n" if "\n" in text else " "
        lines.append(f"{heading}:{joint}{text}")
    title = f"{finding.code} {finding.rule}"
    return _Annotation(_LEVELS[finding.severity], title, "\n".join(lines), finding.location, target)


# ---------------------------------------------------------------- where, and how long


def _place(location: Location, cwd: str) -> dict[str, str]:
    """The properties of a place in the repository, none for a place outside of it."""
    path = location.path
    if path.startswith("<"):  # <stdin>, or hidden
        return {}
    root = _repository(cwd)
    file = short_path(os.path.normpath(os.path.join(cwd, path)), root)
    if os.path.isabs(file) or not file:
        return {}
    properties = {"file": file.replace(os.sep, "/"), "line": str(location.line)}
    end = location.end_line or location.line
    if end > location.line:
        return {**properties, "endLine": str(end)}
    if location.column is not None:
        properties["col"] = str(location.column)
        if location.end_column is not None:
            last = max(location.column, location.end_column - 1)
            properties |= {"endLine": str(end), "endColumn": str(last)}
    return properties


def _repository(cwd: str) -> str:
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if not os.path.isabs(workspace):
        return cwd
    inside = os.path.join(os.path.realpath(cwd), "")
    return workspace if short_path(inside, workspace) != inside else cwd


def _clipped(text: str, longest: int) -> str:
    """The text in at most so many UTF-16 units, its end cut off where it is longer."""
    encoded = text.encode("utf-16-le", "backslashreplace")
    if len(encoded) <= 2 * longest:
        return text
    return encoded[: 2 * (longest - 4)].decode("utf-16-le", "ignore") + " ..."
