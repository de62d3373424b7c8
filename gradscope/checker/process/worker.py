"""The other end of `children.Child`: runs a request in this process and tells what it measures.

Everything of the user's runs here: importing the target, its `__main__`, the functions. It may hang, crash
or exit; what was told before counts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection
from typing import Any, TextIO

from gradscope.checker.process.messages import Began, Broken, Finished, Message, Refused, Stage
from gradscope.checker.process.request import Request
from gradscope.errors import GradscopeError

_EARLIER = 0.8  # of a limit: the line that hangs is written down before the process is ended


def main(number: int, crash: str) -> None:
    """Serves the request that comes over the file descriptor (or Windows handle) `number`, and ends.

    Where the process crashes or hangs is written into the file `crash`.
    """
    line = _connection(number)
    request: Request = line.recv()
    threading.Thread(target=_end_with_parent, args=(line, crash), daemon=True).start()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    with open(crash, "w", encoding="utf-8") as file:
        faulthandler.enable(file)
        _serve(request, _Line(line, request, file))
        _leave()


class _Line:
    """Sends messages; every stage that begins gets a time after which its line is written down."""

    def __init__(self, line: Any, request: Request, crash: TextIO) -> None:
        self._line = line
        self._request = request
        self._crash = crash
        self._process = os.getpid()

    def __call__(self, message: Message) -> None:
        if os.getpid() != self._process:
            os._exit(0)  # the program forked, and this copy of us is none of the parent's
        if isinstance(message, Began):
            limit = self._limit(message.stage)
            faulthandler.dump_traceback_later(_EARLIER * limit, file=self._crash)
        try:
            self._line.send(message)
        except OSError:  # the program closed every file, or the parent is gone: there is nobody to tell
            os._exit(1)

    def _limit(self, stage: Stage) -> float:
        limits = {
            Stage.IMPORT: self._request.longest_import,
            Stage.PROGRAM: self._request.longest_killed_program,
        }
        return limits.get(stage, self._request.longest_function)


def _serve(request: Request, say: Callable[[Message], None]) -> None:
    try:
        from gradscope.checker.process.program import run_request  # imports torch

        run_request(request, say)
    except GradscopeError as error:
        say(Refused(error))
    except BaseException as error:  # noqa: BLE001  told to the parent, which says whose fault it is
        say(Broken("".join(traceback.format_exception(error))))
    say(Finished())


def _leave() -> None:
    """Ends at once: threads and exit functions of the program have nothing to tell any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
    os._exit(0)


def _connection(number: int) -> Any:
    if sys.platform == "win32":
        return connection.PipeConnection(number)
    os.set_inheritable(number, False)
    return connection.Connection(number)


def _end_with_parent(line: Any, crash: str) -> None:
    """Waits for the other end to close, and ends this process with everything that it started."""
    try:
        line.recv_bytes()
    except (EOFError, OSError):
        with contextlib.suppress(OSError):
            os.unlink(crash)
        if os.name == "posix" and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
