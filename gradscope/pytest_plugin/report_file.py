"""The file of `--gradscope-report`: the findings of all tests, one outcome a file of tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from gradscope import reporters
from gradscope.destination import Destination
from gradscope.errors import UsageError
from gradscope.finding import Finding
from gradscope.fingerprint import fingerprint
from gradscope.outcomes import GateReport, Outcome, Verdict
from gradscope.pytest_plugin.summary import Tally
from gradscope.pytest_plugin.told import Told, unpacked
from gradscope.report import Report, Suppressed


class ReportFile:
    """A file that is to be written when the tests are done; made before they run.

    `name` is as typed, `root` the folder that paths are relative to. Raises UsageError where the ending means
    no format, or the file cannot be written.
    """

    def __init__(self, name: str, root: str) -> None:
        format_name = reporters.format_for(name)
        if format_name is None:
            raise UsageError(
                f"--gradscope-report {name}: its ending names no format",
                try_next="--gradscope-report gradscope.sarif",
            )
        self.name = name
        self._format = format_name
        self._root = root
        self._destination = Destination(name, machine=True, to_stderr=False)

    def write(self, tally: Tally) -> None:
        """Writes what the tests told. Raises OutputError where that cannot be done."""
        gate = gate_of(tally, self._root)
        with self._destination.open() as out:
            reporters.render_gate(self._format, gate, out, color=False, cwd=self._root)


def gate_of(tally: Tally, root: str) -> GateReport:
    """One outcome for each file of tests in which a backward was watched, or something was found."""
    told = sorted(tally.told, key=lambda each: each["test"])
    outcomes = tuple(
        _outcome(name, list(of_file), tally.seconds, root)
        for name, of_file in groupby(told, key=lambda each: _file(each))
    )
    shown = tuple(each for each in outcomes if each is not None)
    environment = next((each.report.environment for each in shown if each.report is not None), {})
    return GateReport(shown, dict(environment), seconds=sum(each.seconds for each in shown))


def _file(told: Told) -> str:
    return told["test"].partition("::")[0]


def _outcome(name: str, told: list[Told], seconds: Mapping[str, float], root: str) -> Outcome | None:
    reports = [unpacked(each["report"]) for each in told]
    recordings = [report.recording for report in reports]
    passes = sum(recording.backward_passes for recording in recordings)
    fails = any(each["fails"] for each in told)
    found = [(finding, report) for report in reports for finding in report.findings]
    if not passes and not found and not fails:
        return None
    recording = replace(
        recordings[-1],
        ops=sum(each.ops for each in recordings),
        steps=sum(each.steps for each in recordings),
        backward_passes=passes,
        leaves=tuple({leaf.name: leaf for each in recordings for leaf in each.leaves}.values()),
        notes=(),
        not_seen=tuple(dict.fromkeys(text for each in recordings for text in each.not_seen)),
        sources={path: lines for each in recordings for path, lines in each.sources.items()},
    )
    findings = _folded(found, root)
    report = replace(
        reports[-1],
        target=name,
        findings=findings,
        recording=recording,
        suppressed=_once(one for each in reports for one in each.suppressed),
    )
    threshold = report.fail_on
    failing = [each for each in findings if threshold is not None and each.severity.rank >= threshold.rank]
    return Outcome(
        name=name,
        command="trace",
        target=name,
        verdict=Verdict.FAILED if fails else Verdict.PASSED,
        seconds=sum(seconds[each["test"]] for each in told),
        report=report,
        failing=len(failing) if fails else 0,
        new=len(findings),
    )


def _folded(found: Iterable[tuple[Finding, Report]], root: str) -> tuple[Finding, ...]:
    """The same finding of several tests as one, with their counts added up; the worst first."""
    folded: dict[object, Finding] = {}
    for finding, report in found:
        key = fingerprint(finding, report.recording.sources, root).key
        known = folded.get(key)
        folded[key] = finding if known is None else replace(known, count=known.count + finding.count)
    return tuple(sorted(folded.values(), key=lambda each: -each.severity.rank))


def _once(suppressed: Iterable[Suppressed]) -> tuple[Suppressed, ...]:
    found: dict[tuple[object, ...], Suppressed] = {}
    for one in suppressed:
        place = one.finding.location.at if one.finding.location is not None else one.finding.message
        found.setdefault((one.finding.code, place, one.by), one)
    return tuple(found.values())
