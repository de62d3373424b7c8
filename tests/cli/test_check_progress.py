"""What `gradscope check` says on a terminal while it is at work."""

from __future__ import annotations

import pytest

from gradscope import checking
from gradscope.checker.process.messages import Began, Found, Stage
from gradscope.checker.process.request import Request
from gradscope.commands._stage_line import StageLine
from gradscope.facts import CheckedFunction, SubjectKind
from gradscope.loader.target import Kind, Target

OPS, TRAIN = (Target(name, Kind.SCRIPT, name) for name in ("ops.py", "train.py"))


def told(program: Target) -> list[tuple[str, float]]:
    """What is said while a program runs and the second of two functions is checked."""
    heard: list[tuple[str, float]] = []
    run = checking._Run(Request(OPS, program=program, seconds=3.0), lambda *words: heard.append(words))
    for stage in (Stage.START, Stage.IMPORT, Stage.PROGRAM):
        run.take(Began(stage))
    functions = tuple(CheckedFunction(name, SubjectKind.FUNCTION) for name in ("First", "Second"))
    run.take(Found(functions, {}, "cpu", {}))
    run.checked["First"] = functions[0]
    run.take(Began(Stage.FUNCTION, "Second"))
    return heard


def test_a_program_that_takes_its_time_is_explained() -> None:
    (running, after), second = told(OPS)
    most = "for 15 s at most, to see its calls; --no-run leaves it out"
    assert (running, after > 0) == (f"running ops.py's own __main__ {most}", True)
    assert second == ("2 of 2: Second", 0.0)
    assert told(TRAIN)[0][0] == "running train.py for 15 s at most, to see its calls"


def test_what_is_over_soon_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with StageLine() as line:
        line.show("running ops.py", 60.0)
        line.show("1 of 1: First", 0.0)
    assert capsys.readouterr().err == "\rgradscope: 1 of 1: First\r"  # no colour where it is captured


def test_what_goes_on_is_a_line_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with StageLine() as line:
        line.show("running ops.py", 0.001)
        assert line._later is not None
        line._later.join(10.0)
    assert capsys.readouterr().err == "gradscope: running ops.py\n\r"
