"""Findings of checks are silenced, and known again, like any others: by their lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.engine import judge
from gradscope.facts import Cause, CheckedFunction, ContextTensor, Recording, SubjectKind, WrongGradient
from gradscope.finding import Finding, Location
from gradscope.fingerprint import fingerprint

PATH = "/home/ada/ops.py"
SOURCE = """\
class Scale(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x{kept}
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):{wrong}
        return grad_output


class Double(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output
"""


def place(line: int, function: str) -> Location:
    return Location(PATH, line, 5, line, 36, function)


def checked(name: str, line: int) -> CheckedFunction:
    wrong = WrongGradient(0, "x", (0,), 0, (0,), 1.0, 2.0, 1e-11, Cause.FORMULA)
    return CheckedFunction(
        name,
        SubjectKind.FUNCTION,
        place(line, name),
        place(line + 2, f"{name}.forward"),
        place(line + 7 if name == "Scale" else line + 6, f"{name}.backward"),
        wrong_gradients=(wrong,),
    )


def recording(kept: str = "", wrong: str = "") -> Recording:
    scale = checked("Scale", 1)
    attribute = ContextTensor("x", "input x", 4, 16, place(4, "Scale.forward"), escapes=True)
    functions = (replace(scale, context_tensors=(attribute,)), checked("Double", 12))
    lines = tuple(SOURCE.format(kept=kept, wrong=wrong).splitlines())
    return Recording(checked=functions, sources={PATH: lines})


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return sorted(finding.code for finding in findings)


@pytest.mark.parametrize(
    ("comments", "shown"),
    [
        ({}, ["GS601", "GS601", "GS605"]),
        ({"kept": "  # gradscope: ignore[GS605]"}, ["GS601", "GS601"]),
        ({"kept": "  # gradscope: ignore[ctx-attribute-save]"}, ["GS601", "GS601"]),
        ({"wrong": "  # gradscope: ignore[GS601]"}, ["GS601", "GS605"]),
        ({"wrong": "  # gradscope: ignore"}, ["GS601", "GS605"]),
        ({"kept": "  # gradscope: ignore[GS601]"}, ["GS601", "GS601", "GS605"]),
    ],
)
def test_a_comment_on_the_line_silences(comments: dict[str, str], shown: list[str]) -> None:
    findings, suppressed = judge(recording(**comments))
    assert codes(findings) == shown
    assert len(suppressed) == 3 - len(shown)
    assert all(each.by == "inline comment" for each in suppressed)


def test_two_backwards_that_read_alike_are_told_apart() -> None:
    found = recording()
    wrong = [finding for finding in judge(found)[0] if finding.code == "GS601"]
    prints = [fingerprint(finding, found.sources, "/home/ada") for finding in wrong]
    assert [each.source for each in prints] == ["def backward(ctx, grad_output):"] * 2
    assert {each.function for each in prints} == {"Scale.backward", "Double.backward"}
    assert len({each.key for each in prints}) == 2


def test_a_check_is_known_again_when_its_numbers_change() -> None:
    first = recording()
    again = [
        replace(each, wrong_gradients=tuple(replace(one, analytical=3.0) for one in each.wrong_gradients))
        for each in first.checked
    ]
    keys = [
        {fingerprint(finding, first.sources, "/home/ada").key for finding in judge(known)[0]}
        for known in (first, replace(first, checked=tuple(again)))
    ]
    assert keys[0] == keys[1]
