"""The Markdown of reports and gates, read by two readers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope import reporters
from gradscope.finding import Severity
from gradscope.outcomes import GateReport, Trouble, TroubleKind, Verdict, single
from gradscope.report import Suppressed
from gradscope.reporters import markdown
from gradscope.reporters.markdown_page.page import markdown as markdown_of
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.plain import code_text

from .markdown_reading import ATTRIBUTES, BECOMES_A_LINK, OURS, READERS, read
from .rendering import SAMPLES
from .samples import HOME, cut
from .samples_gates import GATES, gate_large, gate_mixed, gate_passed

ALL: dict[str, Callable[[], GateReport]] = {
    **GATES,
    **{name: lambda sample=sample: single(sample()) for name, sample in SAMPLES.items()},  # type: ignore[misc]
}


def shown(gate: GateReport, *, redact: bool = False) -> str:
    out = io.StringIO()
    reporters.render_gate("markdown", gate, out, cwd=HOME, redact=redact)
    return out.getvalue()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_only_our_own_elements_come_of_it(name: str, redact: bool, reader: str) -> None:
    gate = ALL[name]()
    page = read(shown(gate, redact=redact), reader)
    assert page.tags <= OURS
    assert page.attributes <= ATTRIBUTES
    assert not BECOMES_A_LINK.search(page.prose)
    if redact:
        return
    for of in gate.reports():
        for finding in of.findings:
            frame = code_text(finding, of.recording, Page(96, HOME))
            assert not frame or f"{frame}\n" in page.code
            message = Page().text(finding.message).replace("`", "")
            assert message in page.text.replace("`", "")
    for outcome in gate.outcomes:
        assert outcome.trouble is None or Page().text(outcome.trouble.message) in page.text


@pytest.mark.parametrize("reader", READERS)
def test_the_table_of_a_gate(reader: str) -> None:
    page = read(shown(gate_mixed()), reader)
    head, *rows = page.rows
    assert head == ["", "target", "command", "findings", "new", "known", "fixed", "time"]
    assert rows[1] == ["❌ FAILED", "vision/train.py", "trace", "1 error: GS102", "1", "0", "1", "2.2 s"]
    assert rows[3] == ["✅ passed", "gan.py", "trace", "none", "0", "1", "0", "2.2 s"]
    assert rows[4] == ["❌ HUNG", "loop.py", "trace", "", "", "", "", "60 s"]
    assert [row[1] for row in rows] == [outcome.name for outcome in gate_mixed().outcomes]


@pytest.mark.parametrize("reader", READERS)
def test_hostile_names_stand_in_cells_as_they_are(reader: str) -> None:
    names = [
        "a|b",
        "\\|",
        "a\\",
        "`|`",
        "<b>|</b>",
        "@team|x@y.z",
        "| x |",
        "``",
        "**x**",
        "[a](b)",
        "&amp;|",
    ]
    outcomes = [replace(gate_passed().outcomes[0], name=name) for name in names]
    _, *rows = read(shown(replace(gate_passed(), outcomes=tuple(outcomes))), reader).rows
    assert [row[1] for row in rows] == names
    assert {len(row) for row in rows} == {5}


def test_the_verdict_comes_first() -> None:
    first = shown(gate_mixed()).splitlines()[0]
    assert first == "## ❌ gradscope gate: 3 of 9 targets failed, 4 could not be judged"
    assert shown(single(cut())).startswith("## ❌ gradscope trace `train.py`: 1 error\n")
    assert shown(GateReport(())).startswith("## ❌ gradscope gate: no target was checked\n")


def test_a_gate_that_passed_is_short() -> None:
    text = shown(gate_passed())
    assert text.startswith(
        "## ✅ gradscope gate: all 3 targets passed\n\n<details>\n<summary>3 targets</summary>"
    )
    assert "###" not in text
    assert len(text) < 700


def test_a_finding() -> None:
    text = shown(single(cut()))
    title, message, *_ = text.split("\n\n")[1:]
    assert title == "#### error GS102 severed-gradient at `train.py:36`"
    assert message == "encoder.\\* (6 parameters) gets no gradient: it stops at detach()"
    assert "```text\n  --> train.py:36:37  in SmoothingNet.forward\n   35 |         h = self.enc" in text
    assert "\n- **path of the value**: encoder.0.weight (35) -> linear -> detach (36) -> numpy" in text
    assert "\n- **fix**: stay in torch: smooth() can be" in text
    assert "\n* more: `gradscope explain GS102` tells of a rule\n" in text


@pytest.mark.parametrize("reader", READERS)
def test_the_end_is_a_list_of_its_own(reader: str) -> None:
    page = READERS[reader](shown(replace(single(cut()), is_gate=True)))
    fix, more = page.index("<strong>fix</strong>"), page.index("<li>more")
    assert page[fix:more].count("</ul>") == 1
    assert "<li>\n<p>" not in page  # no blank line between the items of a list


def test_rows_of_several_lines_stand_as_in_the_terminal() -> None:
    (finding,) = cut().findings
    profile = {"places": ["input", "h.0", "loss"], "gradients": [1e-6, 1e-3, 1.0]}
    text = shown(single(replace(cut(), findings=(replace(finding, evidence=profile),))))
    assert re.search(
        r"\n- \*\*profile\*\*:\n\n```text\ninput +1\.0e-06 .*\nh\.0 .*\nloss .*\n```\n\n- \*\*path", text
    )


@pytest.mark.parametrize("kind", TroubleKind)
def test_a_trouble(kind: TroubleKind) -> None:
    lines = tuple(f"line {number}" for number in range(70))
    outcome = gate_mixed().outcomes[4]
    trouble = Trouble(kind, "it went *wrong*", lines, outcome.trouble and outcome.trouble.location)
    text = shown(GateReport((replace(outcome, trouble=trouble),)))
    assert f"\n**{kind.value}** at `loop.py:12`: it went \\*wrong\\*\n" in text
    assert "\n```text\n(10 lines before)\nline 10\n" in text
    assert "\nline 69\n```\n" in text


def test_what_is_silenced_fixed_and_not_seen() -> None:
    finding, of = cut().findings[0], cut()
    unseen = replace(of.recording, not_seen=("a compiled region", "<b>"), notes=("ran in float32",))
    silenced = (Suppressed(finding, "--ignore GS1"), Suppressed(finding, "baseline b.json")) * 2
    of = replace(of, recording=unseen, suppressed=(*silenced, silenced[0]))
    outcome = replace(single(of).outcomes[0], fixed=("GS103 in f", "GS104 in g"))
    text = shown(GateReport((outcome,)))
    assert "\n* silenced: 3 by --ignore GS1, 2 by baseline b.json\n" in text
    assert "\n* not seen: a compiled region\n* not seen: \\<b>\n" in text
    assert "\n- **note**: ran in float32\n" in text
    assert (
        "<summary>2 findings of the baseline fixed</summary>\n\n- fixed: GS103 in f\n- fixed: GS104 in g\n"
        in text
    )


def with_findings(count: int, severity: Severity = Severity.ERROR, name: str = "train.py") -> GateReport:
    finding = cut().findings[0]
    location = finding.location
    assert location is not None
    findings = tuple(
        replace(finding, severity=severity, message=f"{severity} {number} of {name}", subjects=())
        for number in range(count)
    )
    outcome = single(replace(cut(), findings=findings)).outcomes[0]
    return GateReport((replace(outcome, name=name),), seconds=1.0)


def test_long_lists_are_folded() -> None:
    text = shown(with_findings(8))
    before, after = text.split("<details>\n<summary>3 more findings</summary>")
    assert re.findall(r"error (\d) of", before) == list("01234")
    assert re.findall(r"error (\d) of", after) == list("567")
    passed = with_findings(2, Severity.WARNING)
    assert "<details>\n<summary>2 findings</summary>\n\n#### warning GS102" in shown(passed)


def test_a_comment_is_no_longer_than_github_takes_and_says_what_is_left_out() -> None:
    warnings, errors = with_findings(200, Severity.WARNING, "first"), with_findings(60, name="second")
    gate = GateReport((*warnings.outcomes, *errors.outcomes), seconds=1.0)
    text = shown(gate)
    assert 60_000 < len(text.encode()) <= markdown.LONGEST_COMMENT < 65_536
    assert len(re.findall(r"error \d+ of second", text)) == 60  # the worst of all targets first
    left = len(re.findall(r"warning \d+ of first", text))
    assert 0 < left < 200
    assert f"\n{200 - left} more findings left out: no room here\n" in text
    summary = markdown.job_summary(gate, HOME)
    assert len(re.findall(r"warning \d+ of first", summary)) == 200
    assert "no room here" not in summary
    assert len(markdown.job_summary(with_findings(1300), HOME).encode()) <= 1_000_000


def test_many_targets_are_counted_where_there_is_no_room() -> None:
    of = gate_large().outcomes
    broken = [replace(gate_mixed().outcomes[5], name=f"broken/{number:0100}.py") for number in range(400)]
    passed = [replace(of[0], name=f"passed/{number:0100}.py") for number in range(400)]
    text = shown(GateReport((*passed, *broken), seconds=1.0))
    assert 50_000 < len(text.encode()) <= markdown.LONGEST_COMMENT
    rows = len(re.findall(r"^\| (?!.*target)(?!---)", text, re.MULTILINE))
    assert re.search(rf"\nand {800 - rows} more targets: \d+ broken, 400 passed\n", text)
    told = len(re.findall(r"^### ", text, re.MULTILINE))
    assert f"\n{400 - told} more targets with findings or troubles left out: no room here\n" in text


def test_a_long_trouble_is_told_in_short_where_there_is_no_room() -> None:
    outcome = gate_mixed().outcomes[4]
    trouble = Trouble(TroubleKind.HUNG, "stopped after 60 s", ("x" * 2000,) * 50)
    text = markdown_of(GateReport((replace(outcome, trouble=trouble),)), HOME, 5000)
    assert "\n**hung**: stopped after 60 s\n" in text
    assert "xxx" not in text


def test_the_report_of_a_single_command_is_folded_into_it() -> None:
    text = shown(single(SAMPLES["memory_gpt"]()))
    assert text.startswith(
        "## ✅ gradscope memory `model.py:GPT`: no findings\n\n<details>\n<summary>the whole"
    )
    assert "saved by module" in text
    assert "the whole report" not in shown(replace(single(cut()), is_gate=True))


def test_the_summary_of_a_job_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n", encoding="utf-8")
    markdown.write_job_summary(str(path), markdown.job_summary(gate_passed(), HOME))
    told = path.read_bytes().decode("utf-8")
    assert told.startswith("before\n## ✅ gradscope gate: all 3 targets passed\n")
    assert told.endswith("</sub>\n")
    with pytest.raises(OSError, match="No such file"):
        markdown.write_job_summary(str(tmp_path / "no" / "summary.md"), "x")


def test_all_verdicts_have_a_mark() -> None:
    from gradscope.reporters.markdown_page.table import MARKS

    assert set(MARKS) == set(Verdict)
