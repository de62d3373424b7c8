"""Program -> Recording -> Report: the target runs under the recorder, whatever our faults, and is judged."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType, ModuleType
from typing import NoReturn, TypeAlias

from gradscope.environment import environment
from gradscope.errors import Fault
from gradscope.facts import ProgramEnd, Recording
from gradscope.folds.storages import StorageLog
from gradscope.folds.timeline import SliceBuffer
from gradscope.judging import judged
from gradscope.loader.candidates import the_one
from gradscope.loader.ending import run_to_end
from gradscope.loader.model import Model
from gradscope.loader.options import Options
from gradscope.loader.placement import Placement, choose_placement
from gradscope.loader.script import Script
from gradscope.loader.target import Target
from gradscope.recorder import Progress, Recorder, places
from gradscope.report import Report
from gradscope.silence import Silencer

Run: TypeAlias = Callable[[Callable[[str], None]], None]
Watch: TypeAlias = Callable[[Progress], None]


def trace_target(
    target: Target, options: Options, watch: Watch | None = None, models: list[Model] | None = None
) -> Recording:
    """Runs the target once under the recorder and returns what was measured.

    `watch` is told how far the program is; the Model of a target that is not a program is put into `models`.
    Raises UsageError for what cannot be run at all, and Fault where the recorder itself failed; the program
    has run to its end then.
    """
    placement = choose_placement(options)
    if not target.is_program:
        model = Model(target, options, placement)
        _keep(model, models)
        return record(
            model.run,
            watch,
            graph_of=options.graph_of,
            timeline=options.timeline,
            storages=options.storages,
        )
    script = Script(target)
    recording = _record_script(script, options, placement, watch)
    if _ran_nothing(recording) and script.main is not None:
        return _trace_the_one(script.main, recording, target, options, placement, watch, models)
    if recording.backward_passes and (options.inputs or options.inputs_file or options.loss):
        unused = f"--input, --inputs and --loss were not used: {target.text} runs its own backward"
        return _noted(recording, unused)
    return recording


def _keep(model: Model, models: list[Model] | None) -> None:
    if models is not None:
        models.append(model)


def _noted(recording: Recording, note: str) -> Recording:
    return replace(recording, notes=(*recording.notes, note))


def _record_script(script: Script, options: Options, placement: Placement, watch: Watch | None) -> Recording:
    def run(_note: Callable[[str], None]) -> None:
        with placement.around_script():
            script.run()

    return record(
        run,
        watch,
        max_steps=options.steps,
        whole_program=True,
        graph_of=options.graph_of,
        timeline=options.timeline,
        storages=options.storages,
    )


def _ran_nothing(recording: Recording) -> bool:
    program = recording.program
    failed = program.error is not None or program.exit_status != 0 or program.interrupted
    tried = recording.backward_passes or recording.steps or recording.missing_graphs
    return not failed and not tried


def _trace_the_one(
    main: ModuleType,
    first: Recording,
    target: Target,
    options: Options,
    placement: Placement,
    watch: Watch | None,
    models: list[Model] | None,
) -> Recording:
    """Traces the one module that a file defined; `first`, without any backward, where it defined none."""
    chosen = the_one(main, target.where)
    if chosen is None:
        advice = (
            f"a function of it that returns a loss is traced with: gradscope trace {target.where}:FUNCTION"
        )
        return _noted(first, f"{target.text} calls no backward and holds no nn.Module; {advice}")
    name, found = chosen
    model = Model(target, options, placement)
    _keep(model, models)
    recording = record(
        lambda note: model.run_found(found, f"{target.where}:{name}", main, note),
        watch,
        graph_of=options.graph_of,
        timeline=options.timeline,
        storages=options.storages,
    )
    taken = f"{target.text} calls no backward itself; its module {name} was traced instead"
    notes = dict.fromkeys((taken, *first.notes, *recording.notes))
    not_seen = dict.fromkeys((*first.not_seen, *recording.not_seen))
    return replace(recording, notes=tuple(notes), not_seen=tuple(not_seen))


def report_on(
    recording: Recording, target: str, select: Iterable[str] = (), silencers: Sequence[Silencer] = ()
) -> Report:
    """Judges a recording. `select` names rules as the command line does; they must exist."""
    return judged("trace", target, recording, environment(), select, silencers)


def record(
    run: Run,
    watch: Watch | None = None,
    *,
    max_steps: int | None = None,
    whole_program: bool = False,
    graph_of: int | None = None,
    timeline: SliceBuffer | None = None,
    storages: StorageLog | None = None,
) -> Recording:
    """Runs a program under a recorder. A fault of the recorder is raised only when the program has ended.

    A `whole_program` is waited for until its threads have ended too; nothing of it can run afterwards.
    `graph_of` is the number of the backward pass whose graph is taken down; `timeline` takes what
    happened when, `storages` the life of every storage.
    """
    process = os.getpid()
    recorder, fault = _installed(max_steps, watch, graph_of, timeline, storages)
    if recorder is None:
        end = run_to_end(lambda: run(_unheard), _unheard, whole_program=whole_program)
        raise _fault("the recorder could not be installed", end) from fault
    try:
        with callers_hidden():
            end = run_to_end(
                lambda: run(recorder.note),
                recorder.ended_by,
                max_steps=max_steps,
                whole_program=whole_program,
            )
    finally:
        fault = _leave(recorder)
    if os.getpid() != process:
        _end_child(end)
    if fault is not None:
        raise _fault("the recorder could not be taken out", end) from fault
    try:
        return recorder.recording(end)
    except Exception as error:
        raise _fault("what was recorded could not be read", end) from error


def _installed(
    max_steps: int | None,
    watch: Watch | None,
    graph_of: int | None,
    timeline: SliceBuffer | None,
    storages: StorageLog | None,
) -> tuple[Recorder | None, Exception | None]:
    try:
        recorder = Recorder(
            max_steps=max_steps, progress=watch, graph_of=graph_of, timeline=timeline, storages=storages
        )
        recorder.__enter__()
    except Exception as error:  # noqa: BLE001  the program must run all the same
        return None, error
    return recorder, None


@contextmanager
def callers_hidden() -> Iterator[None]:
    """Keeps what called us (click, the command's own script) from being taken for lines of the program."""
    hidden = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not places.is_inner(frame.f_code):
            hidden.append(frame.f_code)
        frame = frame.f_back
    places._inner.update(dict.fromkeys(hidden, True))
    try:
        yield
    finally:
        places._inner.update(dict.fromkeys(hidden, False))


def _leave(recorder: Recorder) -> Exception | None:
    try:
        recorder.__exit__(None, None, None)
    except Exception as error:  # noqa: BLE001  raised again by the caller, once the program's end is known
        return error
    return None


def _end_child(end: ProgramEnd) -> NoReturn:
    """Ends a process that the program forked and let run to the end: the report is its parent's."""
    if end.error is not None:
        print(end.error.rendered, end="", file=sys.stderr)
    sys.exit(end.exit_status)


def _unheard(_news: object) -> None:
    """What a run that is not recorded would have told the recorder."""


def _fault(what: str, end: ProgramEnd) -> Fault:
    ran = f"the program ran on and ended with status {end.exit_status}"
    error = end.error.rendered if end.error is not None else ""
    return Fault(f"a fault in gradscope, not in your program: {what}; {ran}", program_error=error)
