"""The command line of `gradscope check`: what is made of the options, and what of the measurement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope import checking
from gradscope.checker.process.request import Request
from gradscope.checking import Outcome
from gradscope.cli import run
from gradscope.facts import (
    Cause,
    CheckedFunction,
    CheckOutcome,
    ProgramEnd,
    ProgramError,
    Recording,
    SubjectKind,
    WrongGradient,
)
from gradscope.facts import Outcome as Ended
from gradscope.finding import Location
from gradscope.loader.target import Kind, Target

OPS = 'class Softmax(Function): ...\n\n\nif __name__ == "__main__":\n    pass\n'


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is asked for; nothing is measured, but for what `measured` gives."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ops.py").write_text(OPS, encoding="utf-8")
    (tmp_path / "a.py").write_text("pass\n", encoding="utf-8")
    (tmp_path / "train.py").write_text("pass\n", encoding="utf-8")
    asked: list[Request] = []

    def check_target(request: Request, _watch: object = None) -> Outcome:
        asked.append(request)
        return Outcome(Recording(checked=(right(),)), {})

    monkeypatch.setattr(checking, "check_target", check_target)
    return asked


@pytest.fixture
def measured(requests: list[Request], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def measure(*checked: CheckedFunction, program: ProgramEnd = ProgramEnd()) -> None:  # noqa: B008  frozen
        recording = Recording(program=program, checked=checked)
        monkeypatch.setattr(checking, "check_target", lambda *_: Outcome(recording, {}))

    return measure


def right(name: str = "Softmax") -> CheckedFunction:
    outcome = CheckOutcome("gradient", Ended.PASSED)
    return CheckedFunction(name, SubjectKind.FUNCTION, Location("ops.py", 1), outcomes=(outcome,))


def wrong(name: str = "Softmax", line: int = 1) -> CheckedFunction:
    gradient = WrongGradient(0, "x", (0,), 0, (0,), 2.0, 1.0, 1e-9, Cause.FORMULA)
    return CheckedFunction(
        name,
        SubjectKind.FUNCTION,
        Location("ops.py", 1),
        backward=Location("ops.py", line, function=f"{name}.backward"),
        outcomes=(CheckOutcome("gradient", Ended.FAILED),),
        wrong_gradients=(gradient,),
    )


def unchecked(name: str = "Softmax") -> CheckedFunction:
    return CheckedFunction(name, SubjectKind.FUNCTION, failure="forward raises ValueError: no")


# ---------------------------------------------------------------- what is asked for


def test_nothing_but_a_target(requests: list[Request]) -> None:
    target = Target("ops.py", Kind.SCRIPT, "ops.py")
    assert run(["check", "ops.py"]) == 0
    assert requests == [Request(target, program=target)]


def test_every_option(requests: list[Request]) -> None:
    words = ["check", "ops.py:Softmax", "--input", "randn(3)", "--input", "dim=-1", "--no-run", "--seed", "5"]
    words += ["--device", "cpu", "--time-limit", "0.5", "--against", "ops.py:df", "--sweep", "x=-1:1"]
    words += ["--loss", "mse"]
    assert run(words) == 0
    assert requests == [
        Request(
            Target("ops.py:Softmax", Kind.FILE_ATTRIBUTE, "ops.py", "Softmax"),
            inputs=("randn(3)", "dim=-1"),
            device="cpu",
            seed=5,
            seconds=0.5,
            against="ops.py:df",
            sweep="x=-1:1",
            loss="mse",
        )
    ]


def test_the_arguments_are_those_of_the_script_that_runs(requests: list[Request]) -> None:
    assert run(["check", "ops.py", "--capture", "train.py", "--", "--lr", "1"]) == 0
    assert requests[0].program == Target("train.py", Kind.SCRIPT, "train.py", arguments=("--lr", "1"))
    assert not requests[0].runs_target


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "error: say what to check try gradscope check ops.py "),
        (["opps.py"], "error: no such file: opps.py try gradscope check ops.py"),
        (["."], "error: . is a folder; one file or module is checked at a time try gradscope check ops.py"),
        (["train.py", "ops.py"], "one file or module is checked at a time, and ops.py is a second"),
        (["train.py", "--", "--lr", "1"], "--lr 1 would be given to no program: train.py has no __main__"),
        (["ops.py", "--no-run", "--", "1"], "1 would be given to no program: --no-run"),
        (["ops.py", "--time-limit", "0"], "--time-limit must be a number of seconds above 0, not 0"),
        (["ops.py", "--time-limit", "nan"], "--time-limit must be a number of seconds above 0, not nan"),
        (["ops.py", "--input", "1", "--inputs", "x.pt"], "--input and --inputs both give the inputs"),
        (["ops.py", "--capture", "run.py"], "no such file: run.py"),
        (["ops.py", "--sweep", "x"], "this --sweep cannot be used"),
        (["ops.py", "--against", "no.py:df"], "no such file: no.py"),
        (["ops.py", "--select", "GS102"], "none of the rules that are selected is one of check's"),
        (["ops.py", "--steps", "3"], "error: no such option: --steps"),
        (
            ["ops.py", "--output", "r", "--write-baseline", "r"],
            "r cannot be both the report and the baseline",
        ),
    ],
)
def test_bad_usage_is_2(
    requests: list[Request], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["check", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert requests == []


def test_rules_of_check_are_none_of_trace(
    requests: list[Request], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", "train.py", "--select", "GS601"]) == 2
    assert "none of the rules that are selected is one of trace's" in capsys.readouterr().err


# ---------------------------------------------------------------- what is made of what was measured


def test_statuses(measured: Callable[..., None]) -> None:
    measured(right())
    assert run(["check", "ops.py"]) == 0
    measured(right("A"), unchecked("B"))
    assert run(["check", "ops.py"]) == 0
    measured(right("A"), wrong("B"))
    assert run(["check", "ops.py"]) == 1
    assert run(["check", "ops.py", "--fail-on", "never"]) == 0
    measured(unchecked("A"), unchecked("B"))
    assert run(["check", "ops.py"]) == 2
    measured(right(), program=ProgramEnd(130, interrupted=True))
    assert run(["check", "ops.py"]) == 130
    measured(program=ProgramEnd(1, ProgramError("ValueError", "no", (), "ValueError: no\n")))
    assert run(["check", "ops.py"]) == 3


def test_what_a_written_report_is_said_of(
    measured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "ops.py", "--format", "json", "--output", "r.json"]
    measured(program=ProgramEnd(1, ProgramError("ValueError", "no", (), "ValueError: no\n")))
    run(words)
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["program"]["error"]["type"] == "ValueError"
    said = "gradscope: no function could be checked; the report is in r.json\n"
    assert capsys.readouterr().err == f"ValueError: no\n{said}"
    measured(wrong("A"), unchecked("B"), unchecked("C"))
    run(words)
    said = "gradscope: 1 finding, 2 of 3 functions could not be checked; the report is in r.json\n"
    assert capsys.readouterr().err == said


def test_a_baseline_silences(measured: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    measured(wrong())
    assert run(["check", "ops.py", "--write-baseline", "known.json"]) == 0
    assert "1 finding written to baseline known.json" in capsys.readouterr().err
    assert run(["check", "ops.py", "--baseline", "known.json"]) == 0
    measured(right(), wrong("Other", 4))
    assert run(["check", "ops.py", "--baseline", "known.json"]) == 1


def test_a_baseline_of_trace_is_not_forgotten(
    measured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    measured(wrong())
    run(["check", "ops.py", "--write-baseline", "known.json"])
    before = json.loads(Path("known.json").read_text(encoding="utf-8"))
    Path("ops.py").write_text(
        "import torch\nx = torch.ones(1, requires_grad=True)\n(x * 2).sum().backward()\n"
    )
    assert run(["trace", "ops.py", "--write-baseline", "known.json"]) == 0
    assert json.loads(Path("known.json").read_text(encoding="utf-8")) == before


def test_a_baseline_is_not_written_where_not_all_was_checked(
    measured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    measured(wrong("A"), unchecked("B"))
    assert run(["check", "ops.py", "--write-baseline", "known.json"]) == 1
    assert "was not written: B could not be checked" in capsys.readouterr().err
    assert not Path("known.json").exists()
