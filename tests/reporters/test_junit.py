"""JUnit XML, read by an independent reader."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from gradscope import reporters
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict, single
from gradscope.report import Report, Suppressed

from .rendering import SAMPLES
from .samples import HOME, cut, report
from .samples_frames import hard_lines, hostile
from .samples_gates import GATES, gate_mixed

Made = Callable[[], GateReport]
ALL: dict[str, Made] = {
    **GATES,
    **{name: lambda sample=sample: single(sample()) for name, sample in SAMPLES.items()},  # type: ignore[misc]
}


def junit(gate: GateReport, *, redact: bool = False) -> str:
    out = io.StringIO()
    reporters.render_gate("junit", gate, out, cwd=HOME, redact=redact)
    return out.getvalue()


def suites(gate: GateReport) -> list[TestSuite]:
    return list(JUnitXml.fromstring(junit(gate).encode()))


def the_only_suite(of: Report) -> TestSuite:
    (suite,) = suites(single(of))
    return suite


def results(case: TestCase) -> list[type]:
    return [type(result) for result in case.result]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_another_reader_counts_what_the_report_says(name: str, redact: bool) -> None:
    gate = ALL[name]()
    text = junit(gate, redact=redact)
    told = JUnitXml.fromstring(text.encode())
    counted = JUnitXml.fromstring(text.encode())
    counted.update_statistics()
    assert len(told) == len(gate.outcomes)
    for said, is_so in zip([told, *told], [counted, *counted], strict=True):
        assert (said.tests, said.failures, said.errors) == (is_so.tests, is_so.failures, is_so.errors)
    for said, is_so, outcome in zip(told, counted, gate.outcomes, strict=True):
        assert said.skipped == is_so.skipped
        assert bool(said.failures + said.errors) == (outcome.verdict is not Verdict.PASSED)
    cases = [(case.classname, case.name) for suite in told for case in suite]
    assert len(set(cases)) == len(cases)


def test_a_finding_is_a_failure_with_its_whole_text() -> None:
    (case,) = the_only_suite(cut())
    assert (case.classname, case.name) == (
        "train",
        "GS102 severed-gradient in SmoothingNet.forward (train.py)",
    )
    assert (case._elem.get("file"), case._elem.get("line")) == ("train.py", "36")
    (failure,) = case.result
    assert isinstance(failure, Failure)
    assert failure.type == "GS102"
    assert failure.message == "encoder.* (6 parameters) gets no gradient: it stops at detach()"
    assert "   36 |         h = torch.from_numpy(smooth(h.detach().numpy()))\n" in failure.text
    assert "  path of the value  encoder.0.weight (35) -> linear" in failure.text
    assert "  fix   stay in torch" in failure.text


def test_a_finding_keeps_its_name_when_lines_move() -> None:
    moved = replace(hard_lines().findings[0], location=Location(f"{HOME}/breite.py", 99, 5, function="f"))
    before, after = hard_lines(), replace(hard_lines(), findings=(moved, *hard_lines().findings[1:]))
    assert [case.name for case in the_only_suite(before)] == [case.name for case in the_only_suite(after)]


def test_findings_of_one_rule_in_one_function_have_names_of_their_own() -> None:
    finding = cut().findings[0]
    suite = the_only_suite(replace(cut(), findings=(finding, finding, finding)))
    assert [case.name.partition(") ")[2] for case in suite] == ["", "(2)", "(3)"]


@pytest.mark.parametrize(
    ("fail_on", "found"),
    [
        (Severity.ERROR, [Failure, Skipped]),
        (Severity.WARNING, [Failure, Failure]),
        (None, [Skipped, Skipped]),
    ],
)
def test_what_does_not_fail_is_skipped_with_the_reason(fail_on: Severity | None, found: list[type]) -> None:
    of = hard_lines()
    both = replace(of, findings=of.findings[:2], fail_on=fail_on)
    cases = [case for case in the_only_suite(both) if case.name != "trace"]
    assert [results(case) for case in cases] == [[each] for each in found]
    for case in cases:
        (result,) = case.result
        assert ("which does not fail: " in result.message) == isinstance(result, Skipped)


def test_a_silenced_finding_is_skipped_and_says_by_what() -> None:
    finding = cut().findings[0]
    silenced = replace(cut(), findings=(), suppressed=(Suppressed(finding, "--ignore GS102"),))
    own, case = the_only_suite(silenced)
    assert (own.name, own.result) == ("trace", [])
    assert results(case) == [Skipped]
    assert case.result[0].message == "silenced by --ignore GS102"


@pytest.mark.parametrize("kind", TroubleKind)
def test_a_trouble_is_an_error_of_its_kind(kind: TroubleKind) -> None:
    place = Location(f"{HOME}/loop.py", 12)
    trouble = Trouble(kind, "it went wrong", ("line one", "\tline two"), place)
    verdict = Verdict.FAILED if kind is TroubleKind.EXPECTED_MISSING else Verdict.BROKEN
    (suite,) = suites(GateReport((Outcome("loop.py", "trace", "loop.py", verdict, 1.5, trouble=trouble),)))
    (case,) = suite
    assert (case.name, case.time, suite.time) == ("trace", 1.5, 1.5)
    assert results(case) == [Failure if kind is TroubleKind.EXPECTED_MISSING else Error]
    (result,) = case.result
    assert (result.type, result.message) == (kind.value, "it went wrong")
    assert result.text == f"{kind.value}: it went wrong\nloop.py:12\nline one\n    line two"
    assert case._elem.get("file") == "loop.py"


def test_findings_stand_beside_the_trouble() -> None:
    failed = single(cut()).outcomes[0]
    trouble = Trouble(TroubleKind.PROGRAM_FAILED, "KeyError: 7")
    (suite,) = suites(GateReport((replace(failed, trouble=trouble),)))
    assert [results(case) for case in suite] == [[Error], [Failure]]


def test_a_budget_that_no_plan_keeps_is_a_failure() -> None:
    (case,) = the_only_suite(SAMPLES["memory_floor"]())
    assert case.result[0].message == "no plan stays within the budget"


def test_the_suites_of_a_gate() -> None:
    root = JUnitXml.fromstring(junit(gate_mixed()).encode())
    assert (root.name, root.time, root.tests, root.failures, root.errors) == ("gradscope", 75.5, 15, 6, 4)
    by_name = {suite.name: suite for suite in root}
    told = {each.name: each.value for each in by_name["vision/train.py"].properties()}
    assert told == {
        "gradscope": "0.1.0",
        "python": "3.11.7",
        "torch": "2.13.0",
        "device": "cpu",
        "command": "trace",
        "target": "vision/train.py",
        "verdict": "failed",
        "configuration": "pyproject.toml",
        "baseline": "baseline.json",
        "new": "1",
        "known": "0",
        "fixed": "GS103 in build, model.py",
    }
    (own,) = by_name["train.py"]
    assert (own.name, own._elem.get("file"), own._elem.get("line")) == ("trace", "pyproject.toml", "5")
    assert {case.classname for case in by_name["vision/train.py"]} == {"vision.train"}


def test_what_xml_cannot_hold_is_escaped() -> None:
    bad = "".join(map(chr, [*range(0x20), 0x7F, 0x85, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])) + "]]>&<![CDATA[\"'"
    finding = Finding("GS101", "no-graph", Severity.ERROR, bad, Location(f"{HOME}/{bad}.py", 1), label=bad)
    source = {f"{HOME}/{bad}.py": (f"x = '{bad}'",)}
    text = junit(single(report(Recording(backward_passes=1, sources=source), finding, target=bad)))
    root = ElementTree.fromstring(text.encode())
    failure = root.find(".//failure")
    assert failure is not None
    message = failure.get("message", "")
    assert message.startswith(r"\x00\x01")
    assert message.endswith("\\x7f\\x85\\ud800\\udfff\\ufffe\\uffff]]>&<![CDATA[\"'")
    assert "\\uffff]]>&<![CDATA[\"'" in (failure.text or "")
    assert not [c for c in text if ord(c) < 0x20 and c != "\n"]
    text.encode()


def test_hostile_names_are_text() -> None:
    root = ElementTree.fromstring(junit(GATES["gate_hostile"]()).encode())
    tags = {element.tag for element in root.iter()}
    assert tags == {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "skipped",
        "error",
        "system-out",
    }
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("name", "").startswith("</script>]]>[/red]{{7*7}}::error::%0A|`a`\\x1b[31m\\ud800\\n<b>")


def test_files_elsewhere_are_not_offered_to_be_opened() -> None:
    suite = the_only_suite(hostile())
    files = [case._elem.get("file") for case in suite]
    assert files == [r"[/bold]/tr\x1b[31main.py"] * 2
    finding = replace(cut().findings[0], location=Location("/usr/lib/flows.py", 3))
    (case,) = the_only_suite(replace(cut(), findings=(finding,)))
    assert "file" not in case._elem.attrib
    assert "--> /usr/lib/flows.py:3" in case.result[0].text
    assert case.name == "GS102 severed-gradient (flows.py)"
