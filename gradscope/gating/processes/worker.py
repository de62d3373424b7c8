"""One target in this process: measured as its own command would, and handed over. torch comes when needed."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import io
import os
import sys
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NoReturn

from gradscope.errors import Fault, GradscopeError, UsageError
from gradscope.gating.processes.data_limit import data_limited, is_possible
from gradscope.gating.processes.endings import limit_words, not_run, out_of_memory
from gradscope.gating.processes.handover import Handed, Job, Place
from gradscope.gating.processes.last_frames import MAIN
from gradscope.gating.processes.lifeline import WORDS_SIGNAL, be_taken_first, die_with
from gradscope.gating.processes.measuring import prepared
from gradscope.outcomes import Trouble, TroubleKind

_HIGH_DESCRIPTOR: Final = 200
"""A program that closes all descriptors, as a daemon does, closes the low ones, and may use their numbers."""

_WARNED_BEFORE: Final = 0.95  # of the time limit, where no signal makes a process say where it is


def main(folder: str, guardian: int) -> NoReturn:
    """Does the job of a folder, and ends as a Python does: threads, exit functions, buffers."""
    die_with(guardian)
    be_taken_first()
    place = Place(folder)
    job = place.job()
    os.chdir(job.folder)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what was printed before a crash is to be seen
    process = os.getpid()
    try:
        handed = _handed(job, place)
    except SystemExit as leaving:  # of a process that the program forked, and that ran on to here
        _leave(leaving.code if isinstance(leaving.code, int) else 1)
    if os.getpid() == process:
        place.hand_over(handed)
    _leave(0)


def _handed(job: Job, place: Place) -> Handed:
    """What came of the job."""
    process = os.getpid()
    target = job.target
    try:
        run = prepared(target, _Stages(place.stage))
        _write_last_words(place.words, target.time_limit)
        with _limited(job):
            recording, environment = run()
    except UsageError as error:
        return Handed(trouble=not_run(error, target.command))
    except BaseException as error:  # whatever it is, it is not what the program ended with
        if os.getpid() != process:
            raise
        return Handed(trouble=_fault(error))
    failed = recording.program.error
    if failed is not None and _is_memory_error(failed.type, failed.message):
        return Handed(recording, environment, out_of_memory(failed, job.folder, _limit(job)))
    return Handed(recording, environment)


def _limit(job: Job) -> str:
    """What the memory of what is run here is limited to, in words; "" for no limit."""
    return limit_words(job.target, job.memory_limit) if _is_limited(job) and job.memory_limit else ""


def _is_limited(job: Job) -> bool:
    """Whether the system is to limit this process: what is checked runs in others, which import torch."""
    return job.target.command != "check" and is_possible()


def _limited(job: Job) -> AbstractContextManager[None]:
    """Around what is run here."""
    if job.memory_limit is None or not _is_limited(job):
        return nullcontext()
    return data_limited(job.memory_limit)


class _Stages:
    """Writes down what is done now."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, stage: str) -> None:
        with open(self._path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(stage)


def _write_last_words(path: str, time_limit: float) -> None:
    """From now on a crash, and `WORDS_SIGNAL`, write where this process is into a file."""
    number = _high(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    os.write(number, f"{MAIN}{threading.get_ident():x}\n".encode("ascii"))
    faulthandler.enable(number, all_threads=True)
    if sys.platform != "win32" and WORDS_SIGNAL:
        faulthandler.register(WORDS_SIGNAL, number, all_threads=True, chain=False)
    else:
        faulthandler.dump_traceback_later(_WARNED_BEFORE * time_limit, file=number)


def _high(number: int) -> int:
    if sys.platform == "win32":
        return number
    import fcntl

    with contextlib.suppress(OSError):  # so few descriptors are allowed
        high = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
        os.close(number)
        return high
    return number


def _fault(error: BaseException) -> Trouble:
    """What to say of an exception of ours; where it says that memory ran out, it is not our fault."""
    cause = (error.__cause__ or error) if isinstance(error, Fault) else error
    lines = "".join(traceback.format_exception(cause)).splitlines()
    if _is_memory_error(type(cause).__name__, str(cause)):
        return Trouble(TroubleKind.OUT_OF_MEMORY, "memory ran out while gradscope recorded", tuple(lines))
    said = error.program_error.splitlines() if isinstance(error, Fault) else []
    what = error.what if isinstance(error, GradscopeError) else "a fault in gradscope, not in your program"
    return Trouble(TroubleKind.FAULT, what, (*said, *lines))


def _is_memory_error(name: str, message: str) -> bool:
    from gradscope.memory_use.measuring import is_memory_error

    return is_memory_error(name.rpartition(".")[2], message)


def _leave(status: int) -> NoReturn:
    """What Python does at the end, but for taking modules apart, of which a gate learns nothing."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # there is no public way
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or gone
            stream.flush()
    os._exit(status & 0xFF)
