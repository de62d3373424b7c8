"""`--gradscope-report FILE`: the findings of all tests in one of gradscope's formats."""

from __future__ import annotations

import pytest

from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.outcomes import Verdict
from gradscope.pytest_plugin.report_file import gate_of
from gradscope.pytest_plugin.summary import Tally
from gradscope.pytest_plugin.told import Told, packed, unpacked
from gradscope.report import Report, Suppressed
from tests.pytest_plugin.suites import run

pytest_plugins = ["pytester"]


def finding(line: int, code: str = "GS102") -> Finding:
    where = Location("/project/net.py", line, 5, line, 9, "Net.forward")
    return Finding(code, "severed-gradient", Severity.ERROR, f"it stops in line {line}", where)


def told(test: str, *findings: Finding, fails: bool = False, backwards: int = 1) -> Told:
    sources = {"/project/net.py": tuple(f"line {number}" for number in range(1, 50))}
    recording = Recording(backward_passes=backwards, sources=sources)
    report = Report("trace", test, findings, recording, environment={"torch": "2.13.0"})
    return Told(
        test=test,
        backwards=backwards,
        findings=[],
        silenced=0,
        faults=[],
        report=packed(report),
        fails=fails,
    )


def tally(*tests: Told) -> Tally:
    found = Tally()
    for each in tests:
        found.add(each, 1.5)
    return found


def test_one_outcome_a_file_of_tests() -> None:
    gate = gate_of(
        tally(
            told("test_b.py::test_two", finding(3), fails=True),
            told("test_a.py::test_healthy", backwards=3),
            told("test_b.py::test_one", finding(3), finding(7), fails=True),
            told("test_c.py::test_nothing", backwards=0),
        ),
        "/project",
    )
    assert [(one.name, one.verdict, one.failing) for one in gate.outcomes] == [
        ("test_a.py", Verdict.PASSED, 0),
        ("test_b.py", Verdict.FAILED, 2),
    ]
    report = gate.outcomes[1].report
    assert report is not None
    assert [(each.location and each.location.line, each.count) for each in report.findings] == [
        (3, 2),
        (7, 1),
    ]
    assert report.recording.backward_passes == 2
    assert gate.outcomes[1].seconds == 3.0
    assert gate.seconds == 4.5
    assert gate.environment == {"torch": "2.13.0"}


def test_the_order_of_the_tests_does_not_matter() -> None:
    tests = [told(f"test_{name}.py::test", finding(3)) for name in "abc"]
    assert gate_of(tally(*tests), "/project") == gate_of(tally(*reversed(tests)), "/project")


def test_a_report_survives_the_way() -> None:
    related = Related(Location("/project/a.py", 1), "\udc80 [/red] \x1b[31m")
    found = Finding(
        "GS102", "x", Severity.ERROR, "\udc80", None, related=(related,), evidence={"nan": float("inf")}
    )
    report = Report("trace", "test_a.py::\udc80", (found,), Recording(), (Suppressed(found, "a comment"),))
    text = packed(report)
    assert text.isascii()
    assert unpacked(text) == report


@pytest.mark.parametrize(("name", "holds"), [("out.json", '"GS102"'), ("out.sarif", '"GS102"')])
def test_the_ending_means_the_format(pytester: pytest.Pytester, name: str, holds: str) -> None:
    result = run(pytester, "def test_severed(): backward(Severed())", f"--gradscope-report={name}")
    result.assert_outcomes(failed=1)
    written = (pytester.path / name).read_text(encoding="utf-8")
    assert holds in written
    assert f"{pytester.path}/nets.py" not in written
    assert "nets.py" in written


def test_a_file_that_cannot_be_written_at_the_end(pytester: pytest.Pytester) -> None:
    (pytester.path / "reports").mkdir()
    tests = """
import shutil
def test_removes(): shutil.rmtree("reports")
"""
    result = run(pytester, tests, "--gradscope-report=reports/out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["gradscope: the report cannot be written to *"])
