"""The program whose calls are to be seen, run as `__main__` for a limited time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, ModuleType

import torch

from gradscope.facts import ProgramEnd
from gradscope.loader.ending import run_to_end
from gradscope.loader.script import Script
from gradscope.loader.target import Kind, Target
from gradscope.recorder import StepLimit
from gradscope.syntax.entry import main_block


class TimeIsUp(StepLimit):
    """Raised out of the program when its time is up; no `except Exception` of it catches this."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `note` is a sentence for the report, "" where it ended well.

    `module` is its `__main__`; None where it did not come as far as its `__main__` block.
    """

    module: ModuleType | None
    note: str


def run_program(target: Target, seconds: float, *, own: bool) -> Ran:
    """Runs a script or module as `python TARGET ARGUMENTS` does, and stops it when its time is up.

    `own` says that it is the checked file itself: its time is counted from its `__main__` block on, so that
    imports cost nothing of it. Folder, arguments and torch's defaults are afterwards what they were; its
    `__main__` stays the process's. Raises TargetError where it does not compile.
    """
    program = _Program(Script(target), _block(target) if own else None, seconds)
    with _kept(), program.time_limit():
        end = run_to_end(program.run)
    module = program.script.main if program.has_come_to_main else None
    return Ran(module, program.told(end, f"{target.text}'s own __main__" if own else target.text))


def _block(target: Target) -> range | None:
    path = target.where if target.kind is Kind.SCRIPT else f"{target.where.replace('.', os.sep)}.py"
    return main_block(path)


class _Program:
    """A script that runs. `block` are the lines of its `__main__` block, None where all of it counts."""

    def __init__(self, script: Script, block: range | None, seconds: float) -> None:
        self.script = script
        self.has_come_to_main = block is None
        self._block = block
        self._seconds = seconds
        self._end = time.monotonic() + seconds if block is None else float("inf")
        self._was_stopped = False

    def run(self) -> None:
        """Runs it to its end; what it raises comes out."""
        try:
            self.script.run()
        except BaseException as error:
            entry = error.__traceback__
            while entry is not None:
                self._look(entry.tb_frame, entry.tb_lineno)
                entry = entry.tb_next
            raise
        self.has_come_to_main = True

    def _look(self, frame: FrameType, line: int) -> None:
        """Takes note of a line that runs."""
        is_main = self.script.main is not None and frame.f_globals is vars(self.script.main)
        if self.has_come_to_main or not is_main or frame.f_code.co_name != "<module>":
            return
        if self._block is not None and line in self._block:
            self.has_come_to_main = True
            self._end = time.monotonic() + self._seconds

    def told(self, end: ProgramEnd, program: str) -> str:
        """How it ended, in a sentence."""
        used = "; the calls that it had made until then were used"
        if end.error is not None:
            at = f" at line {end.error.frames[-1].line}" if end.error.frames else ""
            message = end.error.message.strip().partition("\n")[0]
            return f"{program} raised {end.error.type}: {message}{at}{used}"
        if end.interrupted:
            return f"{program} raised KeyboardInterrupt{used}"
        if end.exit_status != 0:
            return f"{program} ended with status {end.exit_status}{used}"
        if self._was_stopped:
            return f"{program} was stopped after {self._seconds:g} s{used} (--time-limit gives it more time)"
        return ""

    @contextlib.contextmanager
    def time_limit(self) -> Iterator[None]:
        """Raises TimeIsUp in the main thread when its time is up, again and again until it comes out.

        A platform without interval timers has no such limit: the process is ended then.
        """
        if not hasattr(signal, "setitimer"):
            yield
            return
        before = signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, min(self._seconds, _TICK), _TICK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before or signal.SIG_DFL)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None and not self.has_come_to_main:
            self._look(frame, frame.f_lineno)
            frame = frame.f_back
        if time.monotonic() >= self._end:
            self._was_stopped = True
            raise TimeIsUp


_TICK = 0.25  # seconds


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Folder, arguments, import path and torch's defaults: as they were."""
    folder, arguments, path = os.getcwd(), sys.argv[:], sys.path[:]
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    try:
        yield
    finally:
        os.chdir(folder)
        sys.argv[:], sys.path[1:] = arguments, path[1:]
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_grad_enabled(grad)
