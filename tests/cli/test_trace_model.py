"""`gradscope trace model.py:Net`, in this process: its report, and what is refused before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradscope.cli import run
from gradscope.exits import ExitStatus
from tests.cli.running import write

MODEL = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 6)
        def forward(self, x):
            return self.linear(x).relu()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    argv, path = list(sys.argv), list(sys.path)
    yield tmp_path
    sys.argv[:], sys.path[:] = argv, path
    sys.modules.pop("net", None)


def test_the_report_is_on_stdout_and_steps_are_passes(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, "net.py", MODEL)
    words = ["trace", "net.py:Net", "--input", "randn(4, 6)", "--steps", "3", "--device", "cpu"]
    assert run(words) == ExitStatus.OK
    captured = capfd.readouterr()
    assert captured.err == ""
    assert "3 backwards watched" in captured.out
    assert "_pytest" not in captured.out
    assert max(map(len, captured.out.splitlines())) <= 80


def test_a_wrong_shape_is_the_programs_failure_and_names_the_input(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, "net.py", MODEL)
    assert (
        run(["trace", "net.py:Net", "--input", "randn(4, 5)", "--device", "cpu"]) == ExitStatus.PROGRAM_FAILED
    )
    out = capfd.readouterr().out
    assert 'net.py", line 8, in forward' in out
    assert "net.py:Net was called with --input 'randn(4, 5)': float32 (4, 5)" in out
    assert "site-packages" not in out


def test_where_no_text_is_shown_the_failure_is_told_all_the_same(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, "net.py", MODEL)
    words = ["trace", "net.py:Net", "--input", "randn(4, 5)", "--device", "cpu", "--output", "report.txt"]
    assert run(words) == ExitStatus.PROGRAM_FAILED
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "RuntimeError: " in captured.err
    assert captured.err.endswith(
        "gradscope: no backward was run, so nothing was checked; the report is in report.txt\n"
    )
    assert "the program failed" in (folder / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.py:Net", "--output", "no/where.json"), "there is no folder no"),
        (("net.py:Net", "--device", "cuda:99"), "error: --device cuda:99: "),
        (("net.py:Net", "--loss", "msee"), "--loss msee is not a loss; did you mean mse?"),
        (("net.py:Net", "--input", "randn(4, 5"), "'(' was never closed"),
        (("broken.py",), "broken.py does not compile: expected ':'"),
        (("broken.py:Net",), "broken.py does not compile: expected ':'"),
        (("nte.py",), "gradscope trace net.py"),
    ],
)
def test_bad_usage_is_told_before_the_program_runs(
    words: tuple[str, ...], said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, "net.py", MODEL + "    raise SystemExit('it ran')\n")
    write(folder, "broken.py", "print('it ran')\nif 1\n    pass\n")
    assert run(["trace", *words]) == ExitStatus.USAGE
    captured = capfd.readouterr()
    assert said in " ".join(captured.err.split())
    assert "it ran" not in captured.out + captured.err
