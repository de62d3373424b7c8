"""One line a finding, as compilers write it."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, single
from gradscope.report import Report
from gradscope.reporters import render, render_gate

from .rendering import SAMPLES
from .samples import HOME, LIBRARY, cut, inplace, report
from .samples_frames import hostile
from .samples_gates import GATES, gate_hostile, gate_mixed
from .samples_lessons import crash
from .samples_models import gpt
from .sarif_logs import troubles

# The problem matchers of editors and of GitHub, and vim's errorformat %f:%l:%c:\ %m, read lines so.
LINE = re.compile(
    r"(?P<path>[^\n]+?):(?P<line>[1-9]\d*):(?P<column>[1-9]\d*): (?P<code>GS\d+|error:) (?P<message>.+)"
)


def lines(shown: Report | GateReport, *, redact: bool = False, out: io.TextIOBase | None = None) -> list[str]:
    """The lines, each of which an editor can read."""
    stream = io.StringIO() if out is None else out
    if isinstance(shown, GateReport):
        render_gate("concise", shown, stream, redact=redact, cwd=HOME)  # type: ignore[arg-type]
    else:
        render("concise", shown, stream, redact=redact, cwd=HOME)  # type: ignore[arg-type]
    text = stream.getvalue() if isinstance(stream, io.StringIO) else ""
    assert text == "" or text.endswith("\n")
    found = text.split("\n")[:-1]
    assert [each for each in found if not LINE.fullmatch(each)] == []
    return found


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_finding_is_a_line(name: str, redact: bool) -> None:
    whole = SAMPLES[name]()
    found = [LINE.fullmatch(each) for each in lines(whole, redact=redact)]
    codes = [each["code"] for each in found if each is not None]
    assert codes == [*(each.code for each in whole.findings), *["error:"] * troubles(single(whole))]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_every_finding_and_trouble_of_a_gate_is_a_line(name: str, redact: bool) -> None:
    gate = GATES[name]()
    findings = sum(len(each.findings) for each in gate.reports())
    assert len(lines(gate, redact=redact)) == findings + troubles(gate)


def test_a_line_says_where_which_rule_and_what() -> None:
    assert lines(cut()) == [
        "train.py:36:37: GS102 encoder.* (6 parameters) gets no gradient: it stops at detach()"
    ]


def test_the_finding_of_several_targets_is_one_line() -> None:
    assert lines(GateReport((*single(cut()).outcomes, *single(cut()).outcomes))) == lines(cut())


def test_a_healthy_program_gives_nothing() -> None:
    assert lines(gpt()) == []
    assert lines(GATES["gate_passed"]()) == []


def test_where_the_column_the_place_or_the_folder_is_another() -> None:
    finding = Finding("GS404", "vanishing-gradient", Severity.WARNING, "it\n  vanishes")
    whole = report(
        gpt().recording,
        finding,
        replace(finding, location=Location(f"{HOME}/a.py", 7)),
        replace(finding, location=Location(LIBRARY, 7, 3)),
        replace(finding, location=Location(f"{HOME}/a  b\n.py", 7, 3)),
    )
    assert lines(whole) == [
        "train.py:1:1: GS404 it vanishes",
        "a.py:7:1: GS404 it vanishes",
        f"{LIBRARY}:7:3: GS404 it vanishes",
        r"a  b\n.py:7:3: GS404 it vanishes",
    ]


def test_what_kept_a_target_from_being_judged_is_an_error() -> None:
    found = [each for each in lines(gate_mixed()) if ": error: " in each]
    assert found == [
        "loop.py:12:1: error: loop.py: stopped after 60 s, at its time limit, in wait",
        "pyproject.toml:25:1: error: native.py: crashed the process (SIGSEGV)",
        "pyproject.toml:29:1: error: big.py: needed more than its limit of 4.0 GiB",
        "pyproject.toml:33:1: error: gone.py: no such file: gone.py",
        "pyproject.toml:37:1: error: demo.py: GS102 was expected and not found",
    ]


def test_an_error_of_the_program_is_told_unless_a_finding_explains_it() -> None:
    (told,) = lines(crash())
    assert ": error: " in told
    assert [each.split()[1] for each in lines(inplace())] == ["GS201"]


@pytest.mark.parametrize("shown", [hostile(), gate_hostile()], ids=["report", "gate"])
def test_hostile_names_end_no_line_and_steer_no_terminal(shown: Report | GateReport) -> None:
    found = lines(shown)
    assert found
    assert all(each.isprintable() for each in found)


def test_what_the_stream_cannot_encode_is_written_as_escapes() -> None:
    finding = replace(cut().findings[0], message="naïve \N{CJK UNIFIED IDEOGRAPH-6A21}")
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    lines(report(gpt().recording, finding), out=out)
    out.flush()
    assert raw.getvalue().decode("ascii").rstrip() == r"train.py:36:37: GS102 na\xefve \u6a21"


@pytest.mark.parametrize("name", SAMPLES)
def test_redacted_lines_have_no_absolute_path(name: str) -> None:
    text = "\n".join(lines(SAMPLES[name](), redact=True))
    assert not any(path in text for path in ("/home", "/usr"))
