"""`gradscope doctor`."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
import torch

from gradscope import selfcheck
from gradscope.cli import run
from gradscope.commands import doctor
from gradscope.exits import ExitStatus
from gradscope.facts import ProgramEnd, Recording


def test_this_installation_is_healthy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["doctor"]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert f"\ntorch         {torch.__version__}\n" in out
    assert "FAIL" not in out
    assert out.count("  ok    ") == 10
    assert "not seen, here or anywhere\n" in out


def test_what_is_broken_is_told_with_what_was_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfcheck.Recorder, "recording", lambda self, end: Recording(program=ProgramEnd()))
    assert run(["doctor"]) == ExitStatus.FINDINGS
    out = capsys.readouterr().out
    assert "  FAIL  backward passes and steps are seen, with their lines\n" in out
    assert "        backward at line 9, seen at []; one optimizer step, 0 seen\n" in out
    assert "  ok    every hook is taken out again\n" in out


def test_a_recorder_that_fails_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_recorder: object) -> None:
        raise AttributeError("no such hook")

    monkeypatch.setattr(selfcheck.Recorder, "__enter__", broken)
    assert selfcheck.self_check() == [
        selfcheck.Check("a program can be recorded", "AttributeError: no such hook")
    ]


def test_the_check_leaves_the_generators_alone() -> None:
    state = torch.get_rng_state()
    selfcheck.self_check()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_foreign_distribution_and_a_hiding_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        return "0.0.9" if name == "gradscope" else "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradscope.py").touch()
    foreign, hidden = doctor._installation()
    assert "gradscope 0.0.9 of another project" in foreign[1]
    assert f"{tmp_path / 'gradscope.py'} is imported in place of it" in hidden[1]


def test_the_configuration_in_force_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfcheck, "Recorder", None)  # the recorder is not what is checked here
    monkeypatch.chdir(tmp_path)
    for text, shown in (
        ("[tool.gradscope]", f"\nconfig        {tmp_path / 'pyproject.toml'}\n"),
        ("[tool.gradscope]\nx = 1", "config        not usable, see below\n"),
        (
            "[tool.gradscope]\nx = 1",
            "  FAIL  the configuration can be read\n        pyproject.toml: unknown key x",
        ),
        ("[tool.gradscope]\nx = 1", "        --> pyproject.toml:2\n"),
    ):
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        assert run(["doctor"]) == ExitStatus.FINDINGS
        assert shown in capsys.readouterr().out
