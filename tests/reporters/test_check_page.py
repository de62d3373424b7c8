"""The page of `gradscope check`: how a function stands, whose finding is whose, and what fits on a line."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from gradscope.exits import ExitStatus, nothing_checked, of_report
from gradscope.facts import NEEDS_MORE, CheckedModel, CheckOutcome, Origin, Outcome, Recording, SampleFact
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report, Suppressed
from gradscope.reporters import render
from gradscope.reporters.screen.check.owners import owners
from gradscope.reporters.screen.page import cells

from .rendering import text
from .samples import HOME
from .samples_checks import OPS, check, checks_many, checks_unchecked, function, inferred, outcomes
from .samples_checks_pictures import checks_sweep, checks_ways
from .samples_checks_rules import checks_every_rule, checks_model


def finding(
    line: int = 13, severity: Severity = Severity.ERROR, code: str = "GS601", **evidence: str
) -> Finding:
    return Finding(code, "a-rule", severity, "it is wrong", Location(OPS, line, 5), evidence=evidence)


def line_of(report: Report, name: str, width: int = 120) -> str:
    (line,) = [line for line in text(report, width).splitlines() if line.startswith(f"  {name} ")]
    return line


# ---------------------------------------------------------------- how a function stands


@pytest.mark.parametrize(
    ("outcome", "findings", "silenced", "word"),
    [
        (Outcome.PASSED, (), (), "ok"),
        (Outcome.PASSED, (finding(),), (), "FAIL"),
        (Outcome.PASSED, (finding(severity=Severity.WARNING),), (), "warning"),
        (Outcome.PASSED, (finding(severity=Severity.INFO),), (), "ok"),
        (Outcome.FAILED, (), (), "failed"),
        (Outcome.FAILED, (), (finding(),), "silenced"),
        (Outcome.FAILED, (finding(severity=Severity.WARNING),), (finding(),), "warning"),
        (Outcome.FAILED, (finding(severity=Severity.WARNING, code="GS605"),), (), "failed"),
        (Outcome.FAILED, (finding(code="GS602"),), (), "FAIL"),
        (Outcome.DECLARED, (), (), "declared"),
        (Outcome.NOT_CHECKED, (), (), "not checked"),
        (Outcome.NOT_CHECKED, (finding(),), (), "FAIL"),
    ],
)
def test_one_word_says_how_it_stands(
    outcome: Outcome, findings: tuple[Finding, ...], silenced: tuple[Finding, ...], word: str
) -> None:
    report = check(function("Op", 5, outcomes=outcomes(gradient=outcome)), findings=findings)
    report = replace(report, suppressed=tuple(Suppressed(one, "inline comment") for one in silenced))
    assert line_of(report, "Op").startswith(f"  Op  {word}  ")


def test_what_failed_without_a_finding_is_told() -> None:
    late = CheckOutcome("vmap", Outcome.FAILED, "raises RuntimeError: [red]")
    report = check(function("Op", 5, outcomes=outcomes(vmap=late)))
    assert "\n    failed    vmap: raises RuntimeError: [red]\n" in text(report)
    assert "failed  vmap" not in text(replace(report, findings=(finding(),)))


def test_the_first_of_a_functions_own_lines_and_names_owns_a_finding() -> None:
    first, second = function("First", 5), function("Second", 40)
    assert owners(finding(13), (first, second)) == [0]
    assert owners(finding(45), (first, second)) == [1]  # between its class line and the end of the file
    assert owners(finding(13, function="Second"), (first, second)) == [1, 0]
    assert owners(finding(2), (first, second)) == []
    assert owners(Finding("GS601", "a", Severity.ERROR, "m", subjects=("Second",)), (first, second)) == [1]
    elsewhere = replace(finding(), location=Location(f"{HOME}/other.py", 50))
    assert owners(elsewhere, (first, second)) == []


def test_a_finding_is_shown_once_and_named_where_it_is_shared() -> None:
    shown = text(checks_every_rule(), 120)
    assert shown.count("error[GS601]") == 1
    assert "RMSNorm    FAIL  GS601 as LayerNorm · " in shown


def test_a_finding_about_no_function_comes_first() -> None:
    other = replace(finding(), location=Location(f"{HOME}/other.py", 50))
    assert text(check(function("Op", 5), findings=(other,))).startswith("error[GS601] a-rule: it is wrong\n")


def test_a_models_finding_stands_below_the_model() -> None:
    lines = text(checks_model()).splitlines()
    below = lines.index(next(line for line in lines if "error[GS601]" in line))
    assert lines[0] == "model.py"
    assert 1 < below < lines.index(next(line for line in lines if line.startswith("  Head")))


# ---------------------------------------------------------------- lines


def test_healthy_functions_of_a_long_file_take_one_line_each() -> None:
    lines = text(checks_many()).splitlines()
    assert sum(line.startswith("  Op") and " ok " in line for line in lines) == 36
    assert len(lines) < 62
    assert "the inputs of 40 functions were inferred by trial" in "\n".join(lines)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("sample", [checks_unchecked, checks_every_rule, checks_ways, checks_sweep])
def test_no_line_of_ours_is_too_wide(sample: object, width: int) -> None:
    lines = text(sample(), width).splitlines()  # type: ignore[operator]
    long = [line for line in lines if cells(line) > width and max(map(cells, line.split())) < width // 2]
    assert long == []


def test_samples_beyond_the_fourth_are_counted() -> None:
    samples = tuple(SampleFact(f"x float64({n},)", "", Origin.HOOK) for n in range(12))
    shown = text(check(function("Op", 5, samples=samples)))
    assert "  Op  ok  12 samples agree to 2e-11 · " in shown
    assert "x float64(3,)\n            and 8 more  (from gradscope_inputs)\n" in shown
    assert "float64(4,)" not in shown


def test_arguments_found_by_trial_are_told_as_they_can_be_typed() -> None:
    samples = inferred("x float64(4, 3)") + inferred("x float64(2, 4, 3)")
    assert "\n    inferred  x randn(4, 3); x randn(2, 4, 3)\n" in text(
        check(function("Op", 5, samples=samples))
    )
    hidden = text(check(function("Op", 5, samples=samples)), redact=True)
    assert "\n    inferred  x float64(4, 3); x float64(2, 4, 3)\n" in hidden


def test_checks_without_time_are_told_once() -> None:
    late = CheckOutcome("vmap", Outcome.NOT_CHECKED, "no time was left")
    other = replace(late, check="layouts")
    compiled = replace(late, check="torch.compile", detail="no time was left (it needs about 8 s)")
    everywhere = {"torch.compile": compiled}
    functions = [function(f"Op{n}", 20 * n + 1, outcomes=outcomes(**everywhere)) for n in range(3)]
    functions.append(function("Slow", 90, outcomes=outcomes(vmap=late, layouts=other, **everywhere)))
    for redact in (False, True):
        shown = " ".join(text(check(*functions), redact=redact).split())
        assert "not checked" not in shown
        told = "no time was left for vmap, layouts (Slow): --time-limit 20 gives every function more"
        assert f"note {told} 4 functions" in shown
        assert shown.endswith(" no findings · no time for torch.compile (--time-limit 20) · 0.8 s")


def test_a_check_that_needs_more_time_is_told_once_and_not_as_if_time_had_run_out() -> None:
    later = CheckOutcome("torch.compile", Outcome.NOT_CHECKED, f"{NEEDS_MORE} (about 8 s)")
    functions = [
        function(f"Op{n}", 20 * n + 1, outcomes=outcomes(**{"torch.compile": later})) for n in range(3)
    ]
    for redact in (False, True):
        shown = " ".join(text(check(*functions), redact=redact).split())
        assert "no time" not in shown
        assert "not checked" not in shown
        assert shown.count("torch.compile") == 1
        assert shown.endswith(" no findings · torch.compile is tried from --time-limit 20 on · 0.6 s")


def test_many_checks_without_time_are_no_part_of_the_summary() -> None:
    late = {name: CheckOutcome(name, Outcome.NOT_CHECKED, "no time was left") for name in ("vmap", "a", "b")}
    shown = text(check(function("Op", 5, outcomes=outcomes(**late))))
    assert "note  no time was left for vmap, a, b (Op): " in shown
    assert shown.endswith("no findings · 0.2 s\n")


def test_sources_that_differ_are_told_apart() -> None:
    samples = (
        SampleFact("x float64(1,)", "", Origin.GIVEN),
        SampleFact("x float64(2,)", "captured at train.py:3", Origin.CAPTURED),
    )
    shown = text(check(function("Op", 5, samples=samples)))
    assert "x float64(1,)  (given)\n            x float64(2,)  (captured at train.py:3)\n" in shown


def test_an_agreement_better_than_rounding_is_not_zero() -> None:
    assert "agrees to 1e-16" in text(check(function("Op", 5, agreement=0.0)))


def test_pictures_can_be_drawn_in_ascii() -> None:
    for sample in (checks_ways, checks_sweep, checks_every_rule):
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        render("text", sample(), out, color=False, width=80, cwd=HOME)
        out.flush()
        shown = raw.getvalue().decode("ascii")
        assert "\\u" not in shown
        assert "\\x" not in shown


def test_the_ways_are_shown_of_a_single_function_only() -> None:
    (one,) = checks_ways().recording.checked
    assert "ways of differentiating" in text(checks_ways())
    assert "ways of differentiating" not in text(check(one, function("Other", 50)))


def test_the_sign_for_uncertainty_is_spelled_out_where_it_must_be() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    told = replace(finding(), label="0.71552 ± 3e-11", message="é")
    render("text", check(function("Op", 5), findings=(told,)), out, color=False, width=80, cwd=HOME)
    out.flush()
    assert b"0.71552 +- 3e-11" in raw.getvalue()
    assert b"\\xe9" in raw.getvalue()


# ---------------------------------------------------------------- the end


def test_the_summary_counts_what_was_and_was_not_checked() -> None:
    assert text(checks_unchecked()).endswith("\n2 functions checked · 3 not checked · no findings · 0.4 s\n")
    assert text(checks_model()).endswith("\n2 models checked · 1 error · 1.6 s\n")
    both = Recording(checked=(function("Op", 5),), checked_models=(CheckedModel("Net", error=1e-10),))
    ended = text(Report("check", "ops.py", (), both))
    assert ended.endswith("\n1 function and 1 model checked · no findings · 0.2 s\n")


def test_where_nothing_was_checked_silence_is_no_health() -> None:
    hung = function("Op", 5, failure="forward hangs", outcomes=(), samples=())
    report = check(hung)
    assert text(report).endswith("\nnothing was checked · 1 not checked\n")
    assert nothing_checked(report)
    assert of_report(report, Severity.ERROR) is ExitStatus.USAGE
    assert of_report(check(), Severity.ERROR) is ExitStatus.USAGE
    assert of_report(check(hung, function("Other", 50)), Severity.ERROR) is ExitStatus.OK
    model = Recording(checked_models=(CheckedModel("Net", error=1e-10),))
    assert of_report(Report("check", "m.py:Net", (), model), Severity.ERROR) is ExitStatus.OK
    assert of_report(replace(report, findings=(finding(),)), Severity.ERROR) is ExitStatus.FINDINGS


# ---------------------------------------------------------------- redaction


def test_a_redacted_page_holds_no_number_that_was_measured() -> None:
    for sample in (checks_every_rule, checks_model, checks_ways, checks_sweep):
        shown = text(sample(), redact=True)
        for secret in ("0.7311", "0.7155", "e-11", "11%", "0.4129", "6*x**2", "1e-05", "⠤"):
            assert secret not in shown, (sample, secret)


def test_a_redacted_page_says_the_same_of_every_function() -> None:
    for sample in (checks_every_rule, checks_unchecked, checks_many, checks_model):
        words = [
            re.findall(r"^  \S.*(?:FAIL|ok|not checked|silenced|warning)  ", shown, re.MULTILINE)
            for shown in (text(sample()), text(sample(), redact=True))
        ]
        assert words[0]
        assert words[0] == words[1]


def test_arguments_keep_their_shapes_and_lose_their_values() -> None:
    samples = (
        SampleFact("x float64(4, 3), slope 0.1, heads[0] bfloat16(2,), mode 'a, b'", "", Origin.GIVEN),
        SampleFact("slope 0.1", "captured at /srv/x.py:3", Origin.CAPTURED),
    )
    shown = text(check(function("Op", 5, samples=samples)), redact=True)
    assert "x float64(4, 3), heads[0] bfloat16(2,)  (given)" in shown
    assert "...  (captured)" in shown
    assert "0.1" not in shown
    assert "/srv" not in shown


def test_a_failure_keeps_its_reason_without_the_message() -> None:
    failed = function("Op", 5, failure="forward raises ValueError: secret 42", samples=(), outcomes=())
    shown = text(check(failed), redact=True)
    assert "forward raises ValueError\n" in shown
    assert "secret" not in shown


def test_a_parenthesis_that_is_cut_leaves_nothing_open() -> None:
    why = "forward raises for all 9 sets of arguments tried (the first attempt: ValueError: secret 42); give"
    hidden = " ".join(
        text(check(function("Op", 5, failure=why, samples=(), outcomes=())), redact=True).split()
    )
    assert "not checked forward raises for all 9 sets of arguments tried nothing" in hidden


def test_whole_numbers_of_a_derivative_are_values_too() -> None:
    told = replace(
        finding(),
        message="the backward of `Op2` is wrong for `x`, element [2, 7]",
        label="2 here, -1 is right, as line 12 says of (4, 3)",
        fix="multiply the gradient of `x` by 2",
        evidence={"function": "Op", "numerical": -1.0},
    )
    shown = text(check(function("Op", 5), findings=(told,)), redact=True)
    assert "`Op2` is wrong for `x`, element [2, 7]" in shown
    assert "... here, ... is right, as line 12 says of (4, 3)" in shown
    assert "multiply the gradient of `x` by ...\n" in shown


def test_a_derivative_by_hand_that_is_right_is_named() -> None:
    by_hand = {"against df": CheckOutcome("against df", Outcome.PASSED)}
    assert "against df, double backward ok" in text(check(function("Op", 5, outcomes=outcomes(**by_hand))))
