"""How the program ended: its exception or exit status, told as Python tells it, with its frames only."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

from gradscope.errors import GradscopeError
from gradscope.facts import ProgramEnd, ProgramError
from gradscope.recorder import StepLimit
from gradscope.recorder.places import is_inner, traceback_locations


def _unheard(_error: BaseException) -> None:
    """Nothing is recorded that an exception could explain: the end says all there is."""


def run_to_end(
    run: Callable[[], None],
    ended_by: Callable[[BaseException], None] = _unheard,
    *,
    max_steps: int | None = None,
    whole_program: bool = False,
) -> ProgramEnd:
    """Runs the program and says how it ended; a `whole_program` also waits for its threads, as at exit.

    Nothing that the program raises comes out; GradscopeError passes through. `ended_by` is told of an
    exception, or of a `sys.exit` with another status than 0, while its traceback is still whole.
    `max_steps` is the limit that a StepLimit came from.
    """
    end = _end_of(run, ended_by, max_steps)
    if whole_program:
        try:
            _wait_for_threads()
        except KeyboardInterrupt:
            return ProgramEnd(exit_status=130, error=end.error, interrupted=True)
    return end


def _end_of(
    run: Callable[[], None], ended_by: Callable[[BaseException], None], max_steps: int | None
) -> ProgramEnd:
    try:
        run()
    except GradscopeError:
        raise
    except StepLimit:
        return ProgramEnd(stopped_after_steps=max_steps)
    except KeyboardInterrupt:
        return ProgramEnd(exit_status=130, interrupted=True)
    except SystemExit as leaving:
        status = _exit_status(leaving)
        if status:
            ended_by(leaving)  # it gave up: the facts beside it may say why
        return ProgramEnd(exit_status=status)
    except BaseException as error:  # noqa: BLE001  whatever it is, it ended the program
        ended_by(error)
        return ProgramEnd(error=program_error(error), exit_status=_call_own_hook(error))
    return ProgramEnd()


def _exit_status(leaving: SystemExit) -> int:
    """What Python makes of `sys.exit(code)`: an integer is the status, anything else is printed."""
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return int(leaving.code)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the program may have closed it
        sys.stdout.flush()
    print(leaving.code, file=sys.stderr)
    return 1


def program_error(error: BaseException) -> ProgramError:
    """The exception as a fact; `error` itself is left as it is."""
    frames = tuple(traceback_locations(error.__traceback__))
    whole = trim(error)
    try:
        rendered = "".join(traceback.format_exception(error))
    finally:
        for exception, entries in whole:
            exception.__traceback__ = entries
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  the program's own __str__; the traceback says as much
        message = "<exception str() failed>"
    return ProgramError(type(error).__qualname__, message, frames, rendered)


def _call_own_hook(error: BaseException) -> int:
    """Calls the program's own `sys.excepthook`, and returns the status it leaves.

    Python's own hook only prints the traceback, which the report does.
    """
    if sys.excepthook is sys.__excepthook__:
        return 1
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    trim(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as leaving:
        return _exit_status(leaving)
    except Exception as second:  # noqa: BLE001  a broken hook must not hide the first error
        print("Error in sys.excepthook:", file=sys.stderr)
        trim(second)
        sys.__excepthook__(type(second), second, second.__traceback__)
    return 1


def trim(error: BaseException) -> list[tuple[BaseException, TracebackType | None]]:
    """Leaves in the tracebacks of `error`, its causes and its members only frames of the program.

    Returns what the tracebacks were.
    """
    whole = []
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        whole.append((current, current.__traceback__))
        current.__traceback__ = _own_frames(current.__traceback__)
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
    return whole


def _own_frames(entry: TracebackType | None) -> TracebackType | None:
    kept = []
    while entry is not None:
        if not is_inner(entry.tb_frame.f_code):
            kept.append(entry)
        entry = entry.tb_next
    below: TracebackType | None = None
    for entry in reversed(kept):
        below = TracebackType(below, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return below


def _wait_for_threads() -> None:
    """What the interpreter does first when it shuts down; doing it here lets their ops be recorded.

    Its own call finds everything done. Without it (another implementation of Python) threads are
    joined one by one, daemons excepted.
    """
    shutdown: Callable[[], None] | None = getattr(threading, "_shutdown", None)
    if shutdown is not None and threading.current_thread() is threading.main_thread():
        shutdown()
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
