"""Runs a program in this process, plain or recorded, and keeps what it printed, warned of and raised."""

from __future__ import annotations

import contextlib
import difflib
import io
import linecache
import runpy
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gradscope import engine
from gradscope.checker.samples.capture import Capture
from gradscope.facts import ProgramEnd, ProgramError, Recording
from gradscope.finding import Finding, Severity
from gradscope.recorder import Recorder
from gradscope.recorder.places import traceback_locations

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


@dataclass(frozen=True)
class Run:
    """One run: its stdout, its warnings as (category, text, line), how it ended, its global names."""

    stdout: str
    warned: set[tuple[str, str, int]]
    end: ProgramEnd
    names: dict[str, Any] = field(repr=False)
    recording: Recording = field(default_factory=Recording, repr=False)

    @property
    def findings(self) -> list[Finding]:
        """What the rules say of it, warnings and errors only."""
        found, _ = engine.judge(self.recording)
        return [finding for finding in found if finding.severity is not Severity.INFO]

    def describe(self) -> str:
        """Its findings as text, one a line, for the message of a failing test."""
        lines = [
            f"{f.code} at {f.location and Path(f.location.path).name}:{f.location and f.location.line}"
            f" {f.severity.value}: {f.message}"
            for f in self.findings
        ]
        return "\n".join(lines) or "no findings"


def run_plain(path: Path, *arguments: str) -> Run:
    """Runs the script as `python path arguments` would."""
    return _run(path, arguments, None)


def run_recorded(path: Path, *arguments: str, graph_of: int | None = None) -> Run:
    """Runs the script under the recorder, which takes down the graph of one backward if asked."""
    recorder = Recorder(graph_of=graph_of)
    run = _run(path, arguments, recorder)
    return Run(run.stdout, run.warned, run.end, run.names, recorder.recording(run.end))


def run_captured(path: Path, *arguments: str) -> tuple[Run, Capture]:
    """Runs the script while its calls of custom Functions and ops are watched."""
    capture = Capture()
    return _run(path, arguments, capture), capture


def difference(plain: str, recorded: str) -> str:
    """The lines that differ, as a unified diff; empty where there are none."""
    lines = difflib.unified_diff(
        plain.splitlines(), recorded.splitlines(), "plain", "recorded", n=1, lineterm=""
    )
    return "\n".join(lines)


def _run(path: Path, arguments: tuple[str, ...], recorder: Recorder | Capture | None) -> Run:
    stdout = io.StringIO()
    names: dict[str, Any] = {}
    end = ProgramEnd()
    linecache.checkcache()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_as_main(path, arguments))
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(recorder or contextlib.nullcontext())
        try:
            names = runpy.run_path(str(path), run_name="__main__")
        except Exception as error:  # noqa: BLE001  whatever it is, it ended the program
            end = ProgramEnd(exit_status=1, error=_failure(error))
            if isinstance(recorder, Recorder):
                recorder.ended_by(error)
    told = {(w.category.__name__, str(w.message), w.lineno) for w in warned}
    return Run(stdout.getvalue(), told, end, names)


def _failure(error: Exception) -> ProgramError:
    frames = tuple(f for f in traceback_locations(error.__traceback__) if f.path != __file__)
    return ProgramError(type(error).__qualname__, str(error), frames, traceback.format_exc())


@contextlib.contextmanager
def _as_main(path: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    """Sets up what a script sees of its start, and puts back what it may leave behind."""
    argv, sys_path = sys.argv[:], sys.path[:]
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    try:
        yield
    finally:
        sys.argv[:], sys.path[:] = argv, sys_path
        torch.set_rng_state(state)
        torch.set_num_threads(threads)
        if "torch._dynamo" in sys.modules:
            torch._dynamo.reset()
