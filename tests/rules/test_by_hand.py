"""What is said of a derivative written by hand (`--against`): GS601 for its values, GS602 for its form."""

from __future__ import annotations

import pytest

from gradscope import engine
from gradscope.facts import (
    Cause,
    CheckedFunction,
    Recording,
    ReturnFault,
    SubjectKind,
    WrongGradient,
    WrongReturn,
)
from gradscope.finding import Finding, Location, Severity

DEF = Location("f.py", 7, function="df")


def judged(checked: CheckedFunction) -> Finding:
    """The only finding about one function."""
    findings, _ = engine.judge(Recording(checked=(checked,)))
    (finding,) = findings
    return finding


def returning(fault: ReturnFault, name: str, expected: str, got: str, error: str = "") -> CheckedFunction:
    """A function whose derivative by hand returns the wrong thing."""
    wrong = WrongReturn(fault, None, name, expected, got, error=error, location=DEF, against="df")
    return CheckedFunction("f", SubjectKind.CALLABLE, Location("f.py", 1), wrong_returns=(wrong,))


@pytest.mark.parametrize(
    ("checked", "told"),
    [
        (returning(ReturnFault.COUNT, "", "2 (x, y)", "1"), "returns 1, not 2 (x, y)"),
        (
            returning(ReturnFault.SHAPE, "y", "shape (3,)", "shape (2,)"),
            "returns shape (2,) for `y`, not shape (3,)",
        ),
        (
            returning(ReturnFault.TYPE, "y", "a tensor or a number", "a str"),
            "returns a str for `y`, not a tensor or a number",
        ),
        (returning(ReturnFault.RAISES, "", "", "", "TypeError: two arguments"), "raises TypeError"),
    ],
)
def test_what_is_no_derivative_is_gs602_at_its_own_def(checked: CheckedFunction, told: str) -> None:
    finding = judged(checked)
    assert (finding.code, finding.severity, finding.location) == ("GS602", Severity.ERROR, DEF)
    assert finding.message == f"`df`, the derivative of `f` by hand, {told}"
    assert finding.fix
    assert finding.evidence["against"] == "df"


def test_a_wrong_value_is_gs601_at_its_own_def() -> None:
    wrong = WrongGradient(
        0, "x", (), 0, None, 18.0, 23.0, 0.0, Cause.FORMULA, way="against", location=DEF, against="df"
    )
    finding = judged(CheckedFunction("f", SubjectKind.CALLABLE, wrong_gradients=(wrong,)))
    assert (finding.code, finding.location, finding.subjects) == ("GS601", DEF, ("x",))
    assert finding.fix == "correct what df returns for `x`"


def test_a_backward_and_a_derivative_by_hand_are_two_findings() -> None:
    own = WrongReturn(ReturnFault.COUNT, None, "", "2", "1")
    by_hand = WrongReturn(ReturnFault.COUNT, None, "", "1 (x)", "2", location=DEF, against="df")
    checked = CheckedFunction("F", SubjectKind.FUNCTION, wrong_returns=(own, by_hand))
    findings, _ = engine.judge(Recording(checked=(checked,)))
    assert len(findings) == 2
