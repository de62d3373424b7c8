"""Target -> Recording with its memory: run once under the recorder; a model is then compared and planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gradscope.environment import environment
from gradscope.errors import UsageError
from gradscope.facts import MemoryUse, ProgramEnd, Recording, SweepKind
from gradscope.judging import judged
from gradscope.loader.model import Model
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.target import Target
from gradscope.loader.work import Work
from gradscope.memory_use.budget import Budget
from gradscope.memory_use.fakes import fake_work
from gradscope.memory_use.fitting import TooLargeError, limited_log, told_in_full
from gradscope.memory_use.measuring import clean_up, is_memory_error
from gradscope.memory_use.whole import Wanted, compared
from gradscope.recorder.memory.alone import MemoryRecorder
from gradscope.recorder.sources import collect_sources
from gradscope.report import Report
from gradscope.silence import Silencer
from gradscope.tracing import callers_hidden, trace_target

Say: TypeAlias = Callable[[str], None]
"""Told what is done now."""

_SCRIPT = (
    "a script is run once; to compare checkpointing, name its model in the file that defines it: "
    "gradscope memory model.py:Net --input '...'"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What `gradscope memory` was asked beside the run itself; `sweep` is (what varies, its values)."""

    budget: Budget | None = None
    blocks: tuple[str, ...] = ()
    sweep: tuple[SweepKind, tuple[int, ...] | None] | None = None
    fake: bool = False
    compare: bool = True

    @property
    def wanted(self) -> Wanted:
        """What is to be compared."""
        return Wanted(self.budget, self.blocks, self.sweep)

    @property
    def of_a_model(self) -> str | None:
        """The first option that asks for what only a model has: a step that can be run again."""
        asked = {"--budget": self.budget, "--blocks": self.blocks or None, "--sweep": self.sweep}
        return next((option for option, value in asked.items() if value is not None), None)


def measure_target(
    target: Target, options: Options, request: Request, say: Say = lambda _text: None
) -> Recording:
    """Runs a target and returns what was measured, its memory in `Recording.memory`.

    Raises UsageError for what cannot be run, or compared as it was asked for, and Fault where gradscope
    itself failed.
    """
    if target.is_program and (asked := request.of_a_model):
        raise UsageError(
            f"{asked} needs a model, and {target.text} is a program, which is run once",
            try_next="gradscope memory model.py:Net  an nn.Module, or a function that returns one",
        )
    if request.fake:
        return _on_fakes(target, options, request, say)
    say("running it once")
    models: list[Model] = []
    passes = options.steps or (2 if options.optimizer else 1)  # the second one finds the optimizer's state
    steps = passes if not target.is_program else options.steps
    device = choose_placement(options).device
    try:
        with_log = replace(options, storages=limited_log(device), steps=steps)
        recording = trace_target(target, with_log, models=models)
    except TooLargeError as error:
        models.clear()  # what it holds is in the way of what comes
        raise told_in_full(error, target, options) from None
    memory = recording.memory
    work = models[-1].work if models else None
    if memory is None or not request.compare:
        return recording
    if target.is_program:
        return replace(recording, memory=replace(memory, not_compared=_SCRIPT))
    if work is None or not _is_comparable(recording):
        return recording
    clean_up(work)
    return _compared(recording, memory, work, request, say)


def report_on(
    recording: Recording, target: str, select: Sequence[str] = (), silencers: Sequence[Silencer] = ()
) -> Report:
    """Judges what was measured. `select` names rules as the command line does; they must exist."""
    return judged("memory", target, recording, environment(), select, silencers)


def _is_comparable(recording: Recording) -> bool:
    """Whether its step can be run again: it did not fail, or for want of memory only."""
    program = recording.program
    failed = program.error is not None or program.exit_status != 0 or program.interrupted
    if not failed or program.error is None:
        return not failed
    return is_memory_error(program.error.type.rpartition(".")[2], program.error.message)


def _on_fakes(target: Target, options: Options, request: Request, say: Say) -> Recording:
    """The same without any memory; values are not looked at, so that no rule has anything to judge."""
    say("building it on fake tensors")
    notes: list[str] = []
    with fake_work(target, options, notes.append) as work:
        device = str(work.placement.device)
        say("running one step on fake tensors")
        recorder = MemoryRecorder(device)
        with recorder, callers_hidden():
            for _ in range(2 if work.optimizer is not None else 1):
                work.step()
        work.zero_grad()
        memory = replace(recorder.use(), is_fake=True)
        recording = Recording(
            program=ProgramEnd(),
            device=device,
            backward_passes=1,
            memory=memory,
            notes=tuple(notes),
            not_seen=("values: fake tensors have none, so no gradient was checked", *recorder.not_seen()),
        )
        if request.compare:
            recording = _compared(recording, memory, work, request, say)
    return replace(recording, sources=collect_sources(recording))


def _compared(recording: Recording, memory: MemoryUse, work: Work, request: Request, say: Say) -> Recording:
    try:
        told, notes = compared(work, memory, request.wanted, say)
    except KeyboardInterrupt:
        stopped = replace(memory, not_compared="interrupted")
        return replace(recording, memory=stopped, program=ProgramEnd(exit_status=130, interrupted=True))
    return replace(recording, memory=told, notes=(*recording.notes, *notes))
