"""Runs the targets of a gate, each in processes of its own, so many at once. No torch here.

One thread does it: it waits for what the guardians of the targets say, and looks now and then at the clock
and at the memory that they take. Another one for each target reads what it prints.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Final, TypeAlias

from gradscope.facts import Recording
from gradscope.gating.processes.endings import (
    Ending,
    Over,
    interrupted,
    not_told,
    oom_kills,
    refused,
    unreadable,
)
from gradscope.gating.processes.handover import Handed, Job
from gradscope.gating.processes.started import Processes, Started
from gradscope.gating.settings import GateSettings, GateTarget
from gradscope.memory_use.available import available_on_machine
from gradscope.outcomes import Trouble

_LOOK_SECONDS: Final = 0.1  # between two looks at the clock and the memory
_LONGEST_START: Final = 120.0  # for a Python to import torch, before the time of a target counts
_SHARE: Final = 0.9  # of the memory that is available


@dataclass(frozen=True, slots=True)
class Ran:
    """How one target ran: `recording` is what was measured and `environment` with what, `trouble` what went
    wrong; one of both is there, and both where memory ran out, or the process failed after it was measured.

    `output` are the last 40 lines that it printed, stdout and stderr together, harmless to show.
    """

    target: GateTarget
    recording: Recording | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    seconds: float = 0.0
    output: tuple[str, ...] = ()


Told: TypeAlias = Callable[[GateTarget, Ran | None], None]


def run_all(settings: GateSettings, told: Told) -> list[Ran]:
    """Runs all targets and returns how they ran, in their order.

    `told` is called in this thread when a target starts, without a Ran, and when it has ended, with it.
    Ctrl-C ends everything: what has not come to its end then is told to be interrupted. Nothing of a target
    is left running, also where `told` raises something.
    """
    finished: dict[str, Ran] = {}
    try:
        with Processes(settings.folder) as processes:
            _Running(settings, processes, told, finished).run()
    except KeyboardInterrupt:
        pass
    return [finished.get(target.name) or Ran(target, trouble=interrupted()) for target in settings.targets]


class _Running:
    """The targets that wait, and those that run."""

    def __init__(
        self, settings: GateSettings, processes: Processes, told: Told, finished: dict[str, Ran]
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._told = told
        self._finished = finished
        self._waiting = list(reversed(settings.targets))
        self._run: list[_Watched] = []
        available = available_on_machine()
        self._share = None if available is None else int(_SHARE * available / max(settings.jobs, 1))

    def run(self) -> None:
        """Runs all of them."""
        try:
            while self._waiting or self._run:
                while self._waiting and len(self._run) < max(self._settings.jobs, 1):
                    self._start(self._waiting.pop())
                wait([each.started.gate for each in self._run], _LOOK_SECONDS)
                for each in list(self._run):
                    self._look_at(each)
        finally:
            for each in self._run:
                each.started.ask_end()
            for each in self._run:
                each.started.end()
                each.started.close()

    def _start(self, target: GateTarget) -> None:
        self._told(target, None)
        limit = self._share if target.memory_limit is None else target.memory_limit
        job = Job(target, os.path.join(self._settings.folder, target.folder), limit)
        try:
            self._run.append(_Watched(self._processes.start(job)))
        except OSError as error:  # no process, descriptor or file can be had any more
            self._finish(Ran(target, trouble=refused(error)))

    def _look_at(self, watched: _Watched) -> None:
        if not watched.has_ended():
            return
        ran = watched.ran()
        watched.started.close()
        self._run.remove(watched)
        self._finish(ran)

    def _finish(self, ran: Ran) -> None:
        self._finished[ran.target.name] = ran
        self._told(ran.target, ran)


class _Watched:
    """A target that runs, and the limits that it is held to."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self._kills = oom_kills()
        self._over = Over.NONE
        self._written = 0

    def has_ended(self) -> bool:
        """Whether it has; ends it where it is over a limit."""
        started = self.started
        started.listen()
        if not started.has_ended:
            self._over = self._over_limit()
            if self._over is not Over.NONE:
                self._written = started.ask_words()
                started.end()
        return started.has_ended or self._over is not Over.NONE

    def _over_limit(self) -> Over:
        started = self.started
        since = started.started_at if started.began_at is None else started.began_at
        longest = _LONGEST_START if started.began_at is None else started.job.target.time_limit
        if time.monotonic() - since > longest:
            return Over.TIME
        limit = started.job.memory_limit
        if limit is not None and started.memory_bytes(limit) > limit:
            return Over.MEMORY
        return Over.NONE

    def ran(self) -> Ran:
        """How it ran, now that it has ended."""
        started = self.started
        target = started.job.target
        seconds = time.monotonic() - started.started_at
        output = started.output.lines()
        handed, trouble = self._handed(output)
        return Ran(
            target,
            handed.recording,
            handed.environment,
            trouble,
            seconds,
            output,
        )

    def _handed(self, output: tuple[str, ...]) -> tuple[Handed, Trouble | None]:
        """What was handed over, and what went wrong."""
        started = self.started
        target = started.job.target
        try:
            handed = started.handed()
        except Exception as error:  # noqa: BLE001  a file that is not whole, or names what is not there
            return Handed(), unreadable(error)
        if handed is not None and handed.trouble is not None:
            return handed, handed.trouble
        if started.status is None and self._over is Over.NONE:
            return handed or Handed(), not_told(target, output, has_begun=started.began_at is not None)
        kills = oom_kills()
        ending = Ending(
            target,
            started.job.folder,
            started.place,
            started.status or 0,
            self._over,
            self._written,
            started.job.memory_limit or 0,
            None if kills is None or self._kills is None else kills > self._kills,
            output,
            handed is not None,
        )
        return handed or Handed(), ending.trouble()
