"""The command group: help, versions, unknown names, and the one error boundary."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import click
import pytest

import gradscope
from gradscope.cli import cli, run
from gradscope.commands import explain
from gradscope.errors import Fault
from gradscope.exits import ExitStatus

COMMANDS = cli.list_commands(click.Context(cli))


def test_the_commands_are_the_files_of_the_folder() -> None:
    files = Path(gradscope.__file__).with_name("commands").glob("[!_]*.py")
    assert sorted(file.stem for file in files) == COMMANDS
    assert {"trace", "explain", "doctor"} <= set(COMMANDS)


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=["", *COMMANDS])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(words: list[str], flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, flag]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert out.startswith("Usage: gradscope")
    assert max(map(len, out.splitlines())) <= 80


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_the_version_names_torch_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert out.startswith(f"gradscope {gradscope.__version__} (torch {version('torch')}, Python 3.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trase", "x.py"], "did you mean trace?"),
        (["train.py"], "try   gradscope trace train.py"),
        (["--bogus"], "error: no such option: --bogus"),
        (["--hlep"], "no such option: --hlep; did you mean --help?"),
        (["trace", "--bogus", "x.py"], "gradscope trace train.py -- --bogus"),
        (["trace", "--inptu", "x.py"], "no such option: --inptu; did you mean --input"),
        (["trace"], "error: say what to trace"),
        (["trace", "x.py", "--steps", "0"], "--steps must be a whole number from 1 up, not 0"),
        (["trace", "x.py", "--seed", "1e3"], "--seed must be a whole number from 0 up, not 1e3"),
        (["trace", "x.py", "--seed", str(2**63)], "--seed must be a whole number"),
        (["trace", "x.py", "--fail-on", "warn"], "try   --fail-on error, warning or never"),
        (["trace", "x.py", "--select", ""], "--select is given no rule"),
        (["trace", "x.py", "--format", "jason"], "no format jason; did you mean json?"),
        (["trace", "x.py", "--select", "GS10,sevred-gradient"], "did you mean severed-gradient?"),
        (["trace", "x.py", "--ignore", "GS999"], "error: --ignore GS999: no such rule"),
        (["trace", "x.py", "--input", "1", "--inputs", "b.pt"], "--input and --inputs both"),
        (["trace", "x.py", "--amp", "fp32"], "try   --amp bf16 or fp16"),
        (["trace", "x.py", "--steps"], "try   --steps N\n        gradscope trace --help"),
        (["trace", "--format"], "try   --format FORMAT\n        gradscope trace --help"),
        (["explain"], "gradscope explain --list"),
        (["explain", "severed-gradients"], "did you mean severed-gradient?"),
        (["explain", "GS1O2"], "did you mean GS1"),
    ],
)
def test_bad_usage_is_told_with_the_next_thing_to_type(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == ExitStatus.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert "  try   " in captured.err or "--input and --inputs" in said or "whole number" in said


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == ExitStatus.USAGE
    assert "Usage: gradscope" in capsys.readouterr().err


def test_a_fault_says_so_and_what_to_send(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("inner trouble")

    monkeypatch.setattr(explain.command, "callback", lambda **_: broken())
    assert run(["explain", "GS102"]) == ExitStatus.FAULT
    err = capsys.readouterr().err
    assert "KeyError: 'inner trouble'" in err
    assert "error: a fault in gradscope, not in your program" in err
    assert "gradscope doctor" in err


def test_a_fault_shows_the_programs_own_exception_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise Fault("a fault in gradscope", program_error="ZeroDivisionError: theirs\n") from KeyError("ours")

    monkeypatch.setattr(explain.command, "callback", broken)
    assert run(["explain", "GS102"]) == ExitStatus.FAULT
    err = capsys.readouterr().err
    assert err.index("ZeroDivisionError: theirs") < err.index("KeyError: 'ours'")


def test_ctrl_c_in_our_own_code_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(explain.command, "callback", interrupted)
    assert run(["explain", "GS102"]) == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err.strip() == "interrupted"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run(["trase"])
    assert "\x1b" not in capsys.readouterr().err
