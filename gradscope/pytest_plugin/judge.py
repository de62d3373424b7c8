"""What the recordings of one test come to: whether it fails, and what its report and the summary say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gradscope.facts import Recording
from gradscope.finding import Finding
from gradscope.fingerprint import fingerprint
from gradscope.policy import Policy
from gradscope.pytest_plugin.marks import Marks
from gradscope.pytest_plugin.relevance import Relevance
from gradscope.pytest_plugin.told import Told, ToldFinding, packed, sendable
from gradscope.pytest_plugin.watching import Watch, report_of
from gradscope.report import Report
from gradscope.reporters.paths import place
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.page import Page
from gradscope.rule_names import codes_of
from gradscope.silence import by_rule

_OWN_FAULT: Final = "a fault of gradscope's own"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`failure` is why the test fails although its own code passed, "" where it does not; `failed_at` is a
    path, a line and a few words for pytest's short summary. `explanation` is for the report of a test that
    failed by itself.
    """

    told: Told
    failure: str = ""
    failed_at: tuple[str, int, str] = ("", 0, "")
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """How tests are judged. `cwd` is what paths are shown relative to, `root` the project's folder.

    `reports` says that whole reports are to be handed on.
    """

    policy: Policy
    relevance: Relevance
    cwd: str
    root: str
    width: int
    reports: bool = False

    def judgement(
        self,
        test: str,
        watch: Watch,
        marks: Marks,
        *,
        passed: bool,
        reported: bool = True,
        error: BaseException | None = None,
    ) -> Judgement:
        """What becomes of a test that passed, or was ended by `error`.

        Where it is not `reported`, only what is expected of it counts. A fault of our own is told, and
        changes nothing else.
        """
        report = self._report(test, watch, marks, error)
        missing = self._missing(report, marks) if passed else []
        counts = self.relevance.of(report.recording, passed=passed)
        expected = _codes(marks.expect)
        shown = tuple(
            finding
            for finding in report.findings
            if reported and finding.code not in expected and counts(finding)
        )
        failing = [
            finding
            for finding in shown
            if passed and self._fails(finding) and self.relevance.can_fail(finding, report.recording)
        ]
        report = replace(report, findings=shown, fail_on=self.policy.fail_on)
        told = self._told(test, report, failing, watch, bool(failing or missing))
        if not failing and not missing:
            explanation = "" if passed else self._text(shown, report.recording)
            return Judgement(told, explanation=explanation)
        return Judgement(told, self._failure(failing, missing, report), _short(failing, missing))

    def _report(self, test: str, watch: Watch, marks: Marks, error: BaseException | None) -> Report:
        silencers = [by_rule(marks.ignore, "mark.gradscope(ignore={})"), *self.policy.silencers]
        # what is expected is looked for whatever is selected
        select = (*self.policy.select, *marks.expect) if self.policy.select else ()
        return report_of(watch.recordings(error), test, select, silencers)

    def _fails(self, finding: Finding) -> bool:
        threshold = self.policy.fail_on
        return threshold is not None and finding.severity.rank >= threshold.rank

    def _missing(self, report: Report, marks: Marks) -> list[str]:
        """The rules that were to be found and were not. What something silences was found."""
        suppressed = (one.finding for one in report.suppressed)
        found = {each.code for one in (*report.findings, *suppressed) for each in (one, *one.consequences)}
        return [name for name in marks.expect if not codes_of(name) & found]

    # ------------------------------------------------------------ what is said

    def _failure(self, failing: Sequence[Finding], missing: Sequence[str], report: Report) -> str:
        parts = [
            f"gradscope: {name} was expected in this test and was not found "
            f"({_backwards(report.recording.backward_passes)} watched)"
            for name in missing
        ]
        if failing:
            parts.append(self._text(failing, report.recording))
            codes = ", ".join(f'"{code}"' for code in dict.fromkeys(each.code for each in failing))
            listed = f"[{codes}]" if "," in codes else codes
            parts.append(
                "The test itself passed; gradscope fails it. "
                f"@pytest.mark.gradscope(ignore={listed}) accepts this."
            )
        return "\n\n".join(parts)

    def _text(self, findings: Iterable[Finding], recording: Recording) -> str:
        page = Page(self.width, self.cwd)
        blocks = [finding_lines(finding, recording, page) for finding in findings]
        return "\n\n".join("\n".join(line.plain.rstrip() for line in block) for block in blocks)

    def _told(self, test: str, report: Report, failing: Sequence[Finding], watch: Watch, fails: bool) -> Told:
        recording = report.recording
        faults = [watch.fault] if watch.fault is not None else []
        faults += [text for text in recording.not_seen if text.startswith(_OWN_FAULT)]
        return Told(
            test=sendable(test),
            backwards=recording.backward_passes,
            findings=[self._told_finding(each, recording, each in failing) for each in report.findings],
            silenced=len(report.suppressed),
            faults=[sendable(text) for text in faults],
            report=packed(report) if self.reports else "",
            fails=fails,
        )

    def _told_finding(self, finding: Finding, recording: Recording, fails: bool) -> ToldFinding:
        return ToldFinding(
            key=sendable(repr(fingerprint(finding, recording.sources, self.root).key)),
            code=finding.code,
            rule=finding.rule,
            severity=str(finding.severity),
            message=sendable(finding.message),
            at=sendable(place(finding.location, self.cwd)) if finding.location else "",
            fails=fails,
        )


def _short(failing: Sequence[Finding], missing: Sequence[str]) -> tuple[str, int, str]:
    if missing:
        return "", 0, f"{missing[0]} was expected and not found"
    worst = failing[0]
    more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    words = sendable(f"{worst.code} {worst.rule}: {worst.message}{more}")
    where = worst.location
    return (sendable(where.path), where.line, words) if where else ("", 0, words)


def _backwards(count: int) -> str:
    return "no backward was" if count == 0 else "1 backward" if count == 1 else f"{count:,} backwards"


def _codes(names: Iterable[str]) -> frozenset[str]:
    return frozenset(code for name in names for code in codes_of(name))
