"""The process above a target's own: starts it, tells how it ended, and leaves nothing of it running.

It belongs to the gate by a pipe. When the gate ends, however it does, the pipe ends, and the guardian ends
all that the target started. On Linux what the target detaches becomes the guardian's child, so that it is
found; elsewhere it is found by its environment. No torch here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from multiprocessing import connection
from typing import Any, Final, Protocol

import gradscope
from gradscope.gating.processes.handover import Place
from gradscope.gating.processes.lifeline import MARK, WORDS_SIGNAL, adopt_orphans, end_all, wait_for_all

_POLL_SECONDS: Final = 0.02  # where the system cannot tell us of the end of a process
_LINGER_SECONDS: Final = 0.5  # for what a target left behind to end by itself

_CALLED: Final = "main(sys.argv.pop(1), int(sys.argv.pop(1)))"
WORKER: Final = f"from gradscope.gating.processes.worker import main\n{_CALLED}"
GUARDIAN: Final = f"from gradscope.gating.processes.guardian import main\n{_CALLED}"


class Asked(StrEnum):
    """What the gate asks for."""

    WORDS = "words"  # have the process write down where it is
    END = "end"


class Worker(Protocol):
    """A process that runs a target: what of `subprocess.Popen` is used."""

    pid: int

    def poll(self) -> int | None:
        """Its status, once it has ended; negative for a signal."""

    def kill(self) -> None:
        """Ends it at once."""


class Forked:
    """A child that was forked, as a Worker."""

    def __init__(self, number: int) -> None:
        self.pid = number
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its status, once it has ended; negative for a signal."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    def kill(self) -> None:
        """Ends it at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def python_words(code: str, *arguments: str) -> list[str]:
    """The command line of a new Python, with our own options, that runs code of this package.

    `-c`, not `-m`: that would make modules of the working directory importable before ours are.
    """
    root = os.path.dirname(os.path.dirname(os.path.abspath(gradscope.__file__)))
    start = (
        "import sys; root = sys.argv.pop(1)\n"
        "if sys.flags.safe_path: sys.path.insert(0, root)\n"
        "else: sys.path[0] = root\n"
    )
    flags = [
        *(["-P"] if sys.flags.safe_path else []),
        *(["-X", "dev"] if sys.flags.dev_mode else []),
        *(["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []),
        *(f"-W{each}" for each in sys.warnoptions),
    ]
    return [sys.executable, *flags, "-c", start + code, root, *arguments]


def main(folder: str, number: int) -> None:
    """Guards a new Python that does the job of a folder; the gate is at the other end of `number`.

    `number` is a file descriptor, or a handle on Windows. Ends the process.
    """

    def start() -> Worker:
        # a session of its own: what it does to its process group is not done to us
        return subprocess.Popen(
            python_words(WORKER, folder, str(os.getpid())), stdin=subprocess.DEVNULL, start_new_session=True
        )

    mark = "" if adopt_orphans() else os.environ.get(MARK, "")
    guard(connected(number), start, Place(folder), mark)
    os._exit(0)


def connected(number: int) -> Any:
    """The end of a pipe that was handed to this process, closed in those that it starts."""
    if sys.platform == "win32":
        return connection.PipeConnection(number)
    os.set_inheritable(number, False)
    return connection.Connection(number)


def guard(gate: Any, start: Callable[[], Worker], place: Place, mark: str = "") -> None:
    """Starts a process, sends our number over the pipe `gate`, and its status once nothing of it is left.

    `mark` is what is found in the environment of its processes, "" where orphans come to this one. Where the
    gate is gone, `place` is removed, because nobody else does.
    """
    worker = start()
    try:
        gate.send(os.getpid())
        status = _attended(gate, worker)
        if status is None:
            status = _ended(worker)
        else:
            wait_for_all(os.getpid(), _LINGER_SECONDS, mark)
        end_all(os.getpid(), mark)
        gate.send(status)
    except (EOFError, OSError):  # the gate is gone
        _ended(worker)
        end_all(os.getpid(), mark)
        place.remove()


def _attended(gate: Any, worker: Worker) -> int | None:
    """The status of the process; None where the gate asked for its end before. EOFError without a gate."""
    with _noticed(worker.pid) as noticed:
        while (status := worker.poll()) is None:
            ready = connection.wait([gate, *noticed], None if noticed else _POLL_SECONDS)
            if gate in ready:
                if gate.recv() == Asked.END:
                    return None
                if WORDS_SIGNAL and worker.poll() is None:
                    os.kill(worker.pid, WORDS_SIGNAL)
        return status


@contextlib.contextmanager
def _noticed(number: int) -> Iterator[list[int]]:
    """Descriptors that can be read when a process has ended: one, or none where there is no such thing."""
    descriptors: list[int] = []
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # before Linux 5.3, or not in this Python
            descriptors.append(os.pidfd_open(number))
    try:
        yield descriptors
    finally:
        for each in descriptors:
            os.close(each)


def _ended(worker: Worker) -> int:
    """The status of a process that is ended now, unless it ended before."""
    worker.kill()
    while (status := worker.poll()) is None:
        connection.wait([], _POLL_SECONDS)
    return status
