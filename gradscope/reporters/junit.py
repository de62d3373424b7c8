"""JUnit XML, for the test reports of Jenkins, GitLab, GitHub and others.

A target is a `testsuite`, and each of its findings a `testcase` that bears the name of the rule and of the
function, not the line: it is the same test when lines move. A finding for which the target fails is a
`failure`; one that is silenced, or below what fails, is `skipped` with the reason, as pytest writes a test
that is expected to fail. The target itself is a `testcase` that passes where it came through, and an `error`
where it could not be judged; where findings fail it, they speak for it.

Files are those that pytest writes: `file` and `line` of a `testcase` in addition to the schema junit-10.xsd.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gradscope.finding import Finding, Location
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind
from gradscope.report import Report
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.paths import file_name, short_path

if TYPE_CHECKING:
    from gradscope.reporters.screen.page import Page

ENDINGS = (".xml",)

_WIDTH: Final = 96  # of code frames and paragraphs, in characters
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTS: Final = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the outcomes as XML that says that it is UTF-8; `color` and `width` change nothing."""
    from gradscope.reporters.screen.page import Page

    names = _Names()
    suites = [_suite(outcome, gate, names, Page(_WIDTH, cwd)) for outcome in gate.outcomes]
    seconds = gate.seconds or sum(outcome.seconds for outcome in gate.outcomes)
    root = Element("testsuites", _attributes(name="gradscope", time=_time(seconds)))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.extend(suites)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    out.write(f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')


class _Names:
    """Names of testcases, each given once: GitLab shows only the first of those that have the same one."""

    def __init__(self) -> None:
        self._given: Counter[tuple[str, str]] = Counter()

    def unique(self, classname: str, name: str) -> str:
        self._given[classname, name] += 1
        count = self._given[classname, name]
        return name if count == 1 else self.unique(classname, f"{name} ({count})")


def _suite(outcome: Outcome, gate: GateReport, names: _Names, page: Page) -> Element:
    """One target: its properties, its testcases, and what is to be remarked."""
    cases = list(_cases(outcome, page))
    if cases:
        cases[0].seconds = outcome.seconds
    kinds = Counter(case.kind for case in cases)
    suite = Element("testsuite", _attributes(name=page.text(outcome.name), tests=str(len(cases))))
    for kind, attribute in _COUNTS.items():
        suite.set(attribute, str(kinds[kind]))
    suite.set("time", _time(outcome.seconds))
    properties = SubElement(suite, "properties")
    for name, value in _properties(outcome, gate):
        SubElement(properties, "property", _attributes(name=name, value=page.text(value)))
    classname = page.text(_class_name(outcome.name))
    suite.extend(case.element(classname, names) for case in cases)
    if remarks := _remarks(outcome.report, page):
        SubElement(suite, "system-out").text = _legal(remarks)
    return suite


def _class_name(name: str) -> str:
    """`examples.severed` of `examples/severed.py`, as pytest does it: Jenkins takes the last point to end the
    name of a package.
    """
    return re.sub(r"\.py\b", "", name).replace("/", ".").replace("\\", ".")


def _properties(outcome: Outcome, gate: GateReport) -> Iterator[tuple[str, str]]:
    report = outcome.report
    environment = gate.environment or (report.environment if report is not None else {})
    yield from environment.items()
    yield "command", outcome.command
    yield "target", outcome.target
    yield "verdict", outcome.verdict.value
    if gate.config:
        yield "configuration", gate.config
    if gate.baseline:
        yield "baseline", gate.baseline
        yield from {"new": str(outcome.new), "known": str(outcome.known)}.items()
        yield from (("fixed", each) for each in outcome.fixed)


def _remarks(report: Report | None, page: Page) -> str:
    """Notes, what was not seen and what was silenced."""
    if report is None:
        return ""
    from gradscope.reporters.screen.footer import remark_lines
    from gradscope.reporters.screen.plain import plain

    return plain(remark_lines(report, page))


# ---------------------------------------------------------------- testcases


@dataclass(slots=True)
class _Case:
    """A testcase. `kind` is "" for one that passed; `file` is "" where there is none to be opened."""

    name: str
    kind: str = ""
    message: str = ""
    type: str = ""
    body: str = ""
    file: str = ""
    line: int = 0
    seconds: float = 0.0

    def element(self, classname: str, names: _Names) -> Element:
        """The element, with a name that no other one has."""
        name = names.unique(classname, self.name)
        case = Element("testcase", _attributes(classname=classname, name=name, time=_time(self.seconds)))
        if self.file:
            case.attrib |= _attributes(file=self.file, line=str(self.line))
        if self.kind:
            told = SubElement(case, self.kind, _attributes(message=self.message, type=self.type))
            told.text = _legal(self.body)
        return case


def _cases(outcome: Outcome, page: Page) -> Iterator[_Case]:
    own = _own_case(outcome, page)
    if own is not None:
        yield own
    report = outcome.report
    if report is None:
        return
    for finding in report.findings:
        yield _finding_case(finding, report, page)
    for each in report.suppressed:
        by = page.text(each.by)
        case = _Case(_title(each.finding, page), "skipped", f"silenced by {by}", each.finding.code)
        case.body = page.text(each.finding.message)
        yield _placed(case, each.finding.location, page)


def _own_case(outcome: Outcome, page: Page) -> _Case | None:
    """The testcase of the target itself, None where findings speak for it."""
    trouble = outcome.trouble
    if trouble is not None:
        return _trouble_case(outcome.command, trouble, page)
    if outcome.failing:
        return None
    case = _Case(outcome.command)
    if message := unexplained(outcome):
        case = _Case(outcome.command, "failure", message, outcome.verdict.value, message)
    return _placed(case, outcome.stated_at, page)


def _trouble_case(name: str, trouble: Trouble, page: Page) -> _Case:
    is_missing = trouble.kind is TroubleKind.EXPECTED_MISSING
    message = page.text(page.shortened(trouble.message))
    where = [page.at(trouble.location)] if trouble.location is not None else []
    details = [page.text(line.expandtabs(4)) for line in trouble.details]
    body = "\n".join([f"{trouble.kind.value}: {message}", *where, *details])
    kind = "failure" if is_missing else "error"
    return _placed(_Case(name, kind, message, trouble.kind.value, body), trouble.location, page)


def _finding_case(finding: Finding, report: Report, page: Page) -> _Case:
    from gradscope.reporters.screen.plain import finding_text

    fails = report.fail_on is not None and finding.severity.rank >= report.fail_on.rank
    message = page.text(finding.message)
    if not fails:
        message = f"{finding.severity}, which does not fail: {message}"
    body = finding_text(finding, report.recording, page)
    kind = "failure" if fails else "skipped"
    case = _Case(_title(finding, page), kind, message, finding.code, body)
    return _placed(case, finding.location, page)


def _title(finding: Finding, page: Page) -> str:
    """`GS102 severed-gradient in Net.forward (train.py)`: no line, which an edit above would change."""
    title = f"{finding.code} {finding.rule}"
    at = finding.location
    if at is None:
        return title
    function = (at.function or "").replace("<locals>.", "")
    inside = f" in {function}" if function not in ("", "<module>") else ""
    return page.text(f"{title}{inside} ({file_name(at.path, page.cwd)})")


def _placed(case: _Case, location: Location | None, page: Page) -> _Case:
    path = short_path(location.path, page.cwd) if location is not None else ""
    if location is not None and not os.path.isabs(path) and not path.startswith("<"):
        case.file = page.text(path.replace(os.sep, "/"))
        case.line = location.line
    return case


# ---------------------------------------------------------------- XML


def _attributes(**values: str) -> dict[str, str]:
    return {name: _legal(value) for name, value in values.items()}


def _legal(text: str) -> str:
    """The text with escapes for what XML 1.0 cannot hold in any way."""
    return _ILLEGAL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
