"""Small programs with one gradient bug each, and healthy ones: what is found, and at which line.

A line that must be named bears `# expect: GS102`. A program without one must be silent. Findings that
are consequences of another, and findings of lower severity than a warning, do not count.
"""

from __future__ import annotations

import re
import runpy
import warnings
from pathlib import Path

import pytest
import torch

from gradscope.engine import judge
from gradscope.facts import ProgramEnd, Recording
from gradscope.finding import Finding, Severity
from gradscope.recorder import Recorder

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
_EXPECTED = re.compile(r"# expect: (GS\d+)")


def record(path: Path) -> Recording:
    """Runs a program as `__main__` under the recorder, whatever becomes of it."""
    recorder = Recorder()
    with warnings.catch_warnings(), recorder:
        warnings.simplefilter("ignore")  # the program's own warnings are not under test
        try:
            runpy.run_path(str(path), run_name="__main__")
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            recorder.ended_by(error)
    return recorder.recording(ProgramEnd())


def expected(path: Path) -> set[tuple[str, int]]:
    lines = enumerate(path.read_text().splitlines(), 1)
    return {(match[1], number) for number, line in lines for match in _EXPECTED.finditer(line)}


def loud(findings: tuple[Finding, ...]) -> set[tuple[str, int | None]]:
    return {
        (f.code, f.location.line if f.location else None) for f in findings if f.severity is not Severity.INFO
    }


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    was_grad_enabled = torch.is_grad_enabled()
    try:
        recording = record(path)
    finally:
        torch.set_grad_enabled(was_grad_enabled)
    findings, _ = judge(recording)
    assert loud(findings) == expected(path)
    assert not [text for text in recording.not_seen if "fault" in text]
