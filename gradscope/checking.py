"""Target -> Recording of checked functions -> Report; all code of the user's runs in other processes.

No torch here: this process only listens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gradscope.checker.process.children import Child
from gradscope.checker.process.last_words import LastLine, last_line
from gradscope.checker.process.messages import (
    Began,
    Broken,
    Checked,
    CheckedAny,
    Found,
    ImportFailed,
    Message,
    Refused,
    Stage,
    Told,
)
from gradscope.checker.process.request import Request
from gradscope.errors import Fault, TargetError
from gradscope.facts import CheckedFunction, CheckedModel, ProgramEnd, ProgramError, Recording
from gradscope.judging import judged
from gradscope.loader.target import Kind
from gradscope.report import Report
from gradscope.silence import Silencer

Watch: TypeAlias = Callable[[str, float], None]
"""Told what is done now, and for how many seconds it may go on before that is worth a word."""

_QUIET = 1.5

_LONGEST_START = 120.0
"""Seconds for a new Python to import torch."""


class FaultThere(Exception):
    """A fault of gradscope's in the process that checks, by its traceback."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured, and with which versions and devices."""

    recording: Recording
    environment: Mapping[str, str]


def check_target(request: Request, watch: Watch | None = None) -> Outcome:
    """Checks every function of a target, in as many processes as it takes.

    Raises UsageError for what cannot be checked at all, and Fault where gradscope itself failed. Ctrl-C ends
    it; what was checked until then is returned.
    """
    run = _Run(request, watch)
    try:
        while run.another_round():
            run.round()
    except KeyboardInterrupt:
        run.end = ProgramEnd(exit_status=130, interrupted=True)
    return run.outcome()


def report_on(
    outcome: Outcome, target: str, select: Sequence[str] = (), silencers: Sequence[Silencer] = ()
) -> Report:
    """Judges what was measured. `select` names rules as the command line does; they must exist."""
    return judged("check", target, outcome.recording, outcome.environment, select, silencers)


@dataclass(slots=True)
class _Run:
    """One check of a target: what is known so far, and what the process that runs is at."""

    request: Request
    watch: Watch | None
    end: ProgramEnd = field(default_factory=ProgramEnd)
    found: dict[str, CheckedAny] | None = None
    checked: dict[str, CheckedAny] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    notes: dict[str, None] = field(default_factory=dict)
    at: Began = field(default_factory=lambda: Began(Stage.START))

    def another_round(self) -> bool:
        """Whether there is something left that a new process should check."""
        if self.found is None:
            return self.end == ProgramEnd()
        return not self.found.keys() <= self.checked.keys()

    def round(self) -> None:
        """One process, up to its end."""
        self.at = Began(Stage.START)
        self.request = replace(self.request, done=frozenset(self.checked))
        with Child(self.request) as child:
            for message in child.messages(self.limit):
                self.take(message)
            if child.died:
                self.died(child)
            elif self.another_round():
                raise Fault("a fault in gradscope, not in your program: the process that checks said nothing")

    def limit(self) -> float:
        """For how many seconds the process may be silent, at what it is at."""
        limits = {
            Stage.START: _LONGEST_START,
            Stage.IMPORT: self.request.longest_import,
            Stage.PROGRAM: self.request.longest_killed_program,
            Stage.FUNCTION: self.request.longest_function,
        }
        return limits[self.at.stage]

    def take(self, message: Message) -> None:
        """Takes in what the process tells."""
        match message:
            case Began():
                self.at = message
                self._show()
            case Found():
                self.found = {function.name: function for function in message.functions}
                self.environment, self.device = message.environment, message.device
                self.sources.update(message.sources)
            case Checked(function, sources):
                self.checked[function.name] = function
                self.sources.update(sources)
            case Told(note):
                self.notes[note] = None
            case ImportFailed(error, exit_status, environment, sources):
                self.end = ProgramEnd(exit_status=exit_status, error=error)
                self.environment = environment
                self.sources.update(sources)
                self.found = {}
            case Refused(error):
                raise error.advising("check")
            case Broken(rendered):
                raise Fault("a fault in gradscope, not in your program") from FaultThere(rendered)

    def died(self, child: Child) -> None:
        """Takes in that the process is gone: it hung, crashed or exited."""
        how = child.died
        place = self.request.place
        match self.at.stage:
            case Stage.START:
                raise Fault(f"a fault in gradscope, not in your program: the process that checks {how}")
            case Stage.IMPORT:
                last = last_line(child.crash, self._files())
                if how.startswith("nothing"):
                    raise _import_hung(place, how, last)
                self.end, self.found = _import_died(place, how, last), {}
            case Stage.PROGRAM:
                assert self.request.program is not None
                own = self.request.runs_target
                self.notes[_program_died(self.request.program.text, how, own)] = None
                self.request = replace(self.request, program=None)
            case Stage.FUNCTION:
                self._function_died(self.at.name, child)

    def _files(self) -> Collection[str]:
        """The files whose lines are the user's, as far as they are known."""
        target = self.request.module
        return self.sources.keys() | (
            {os.path.abspath(target.where)} if target.kind is Kind.FILE_ATTRIBUTE else set()
        )

    def _function_died(self, name: str, child: Child) -> None:
        known = (self.found or {})[name]
        if name in self.checked:  # it died of something else, right behind it
            return
        last = last_line(child.crash, self._files())
        what = last.function if last is not None and last.function in _METHODS else ""
        if child.died.startswith("nothing"):
            failure = child.died.replace(":", f" in {what}:", 1) if what else child.died
        else:
            failure = f"{what or 'it'} {child.died}"
        if isinstance(known, CheckedModel):
            self.checked[name] = replace(known, failure=failure, died=True)
        else:
            place = last.location if last is not None else None
            self.checked[name] = replace(known, failure=failure, failed_at=place, died=True)

    def _show(self) -> None:
        if self.watch is None:
            return
        if self.found is not None and self.at.stage is Stage.FUNCTION:
            self.watch(f"{len(self.checked) + 1} of {len(self.found)}: {self.at.name}", 0.0)
        elif self.request.program is not None and self.at.stage is Stage.PROGRAM:
            own = "'s own __main__" if self.request.runs_target else ""
            most = f"for {self.request.longest_program:.0f} s at most"
            out = "; --no-run leaves it out" if own else ""
            self.watch(f"running {self.request.program.text}{own} {most}, to see its calls{out}", _QUIET)

    def outcome(self) -> Outcome:
        """What was measured, in the order of the file."""
        checked = [self.checked[name] for name in self.found or {} if name in self.checked]
        recording = Recording(
            program=self.end,
            device=self.device,
            torch_version=self.environment.get("torch", ""),
            checked=tuple(one for one in checked if isinstance(one, CheckedFunction)),
            checked_models=tuple(one for one in checked if isinstance(one, CheckedModel)),
            notes=tuple(self.notes),
            sources=self.sources,
        )
        return Outcome(recording, self.environment)


_METHODS = ("forward", "backward", "jvp", "vmap", "setup_context")


def _import_hung(place: str, how: str, last: LastLine | None) -> TargetError:
    at = f"; it was at line {last.location.line}" if last is not None else ""
    return TargetError(
        f"importing {place} does not end ({how}{at})",
        try_next=f'put what {place} runs below: if __name__ == "__main__":',
    )


def _import_died(place: str, how: str, last: LastLine | None) -> ProgramEnd:
    at = f" at line {last.location.line}" if last is not None else ""
    message = f"importing {place} {how}{at}"
    frames = (last.location,) if last is not None else ()
    return ProgramEnd(1, ProgramError("crash", message, frames, f"{message}\n"))


def _program_died(text: str, how: str, own: bool) -> str:
    program = f"{text}'s own __main__" if own else text
    told = f"{program}: {how}" if how.startswith("nothing") else f"{program} {how}"
    return f"{told}; the calls that it makes were not seen"
