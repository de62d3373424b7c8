"""The gate's side of the processes in which targets run: started, asked, ended. No torch here.

Each target has a guardian, which starts its process and everything ends with. On Linux both are forked by a
server that has torch imported, unless the target's environment says otherwise than ours; else both are new
Pythons.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Final, Self

from gradscope.gating.processes.guardian import GUARDIAN, Asked, python_words
from gradscope.gating.processes.handover import Handed, Job, Place
from gradscope.gating.processes.lifeline import MARK, end_all
from gradscope.gating.processes.output import Output
from gradscope.gating.processes.resident import resident_bytes
from gradscope.gating.processes.server import READY, SERVER

_LONGEST_SERVER_START: Final = 120.0
_LONGEST_GREETING_BYTES: Final = 1 << 16
_LONGEST_END: Final = 10.0  # for a guardian to end everything
_WORDS_SECONDS: Final = 0.5  # for a process to write down where it is


class Processes:
    """All processes of one gate. `folder` is where they run."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._mark = secrets.token_hex(8)
        self._count = 0
        self._server: Server | None = None
        self._can_fork = sys.platform == "linux"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()

    def start(self, job: Job) -> Started:
        """Starts a target's process. OSError where the system has no room for one more."""
        self._count += 1
        wanted = dict(job.target.environment)
        server = None if wanted else self._ready_server()
        if server is not None and server.has_taken_name(job):
            server = None
        started = Started(job)
        try:
            if server is None or not server.start(started):
                started.start_anew(self._environment(f"{self._mark}-{self._count}", wanted))
        except BaseException:
            started.close()
            raise
        return started

    def _ready_server(self) -> Server | None:
        """The server, started when it is first needed; None where there can be none."""
        if self._can_fork and self._server is None:
            self._server = Server(self._folder, self._environment(self._mark, {}))
            self._can_fork = self._server.is_ready()
        return self._server if self._can_fork else None

    def _environment(self, mark: str, wanted: Mapping[str, str]) -> dict[str, str]:
        # the order of sets of strings is to be the same in every run, as everything is that has a seed
        return {"PYTHONHASHSEED": "0", **os.environ, **wanted, MARK: mark}


class Server:
    """The Python that forks guardians."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._names: frozenset[str] = frozenset()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output = Output()  # nothing but what imports print; a pipe, as a target's own will be
        try:
            self._process = subprocess.Popen(
                python_words(SERVER, str(theirs.fileno())),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output.other,
                stderr=self._output.other,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is ours
            )
        finally:
            theirs.close()
            self._output.close_other()

    def is_ready(self) -> bool:
        """Waits until it can fork; False where it cannot."""
        self._line.settimeout(_LONGEST_SERVER_START)
        with contextlib.suppress(OSError):
            said = self._line.recv(_LONGEST_GREETING_BYTES).split(b" ")
            self._names = frozenset(name.decode() for name in said[1:])
            return said[0] == READY
        return False

    def has_taken_name(self, job: Job) -> bool:
        """Whether a target has a module of its own, beside it, of a name that is imported here already."""
        where = job.target.target.rpartition(":")[0] or job.target.target
        folders = {job.folder, os.path.dirname(os.path.realpath(os.path.join(job.folder, where)))}
        return any(name in self._names for folder in folders for name in _modules_in(folder))

    def start(self, started: Started) -> bool:
        """Starts a target's guardian; False where the server is gone."""
        descriptors = [started.theirs.fileno(), started.output.other]
        try:
            socket.send_fds(self._line, [os.fsencode(started.place.folder)], descriptors)
        except OSError:
            return False
        started.has_started()
        return True

    def close(self) -> None:
        """Ends it; what it has forked has ended before, or ends with us."""
        self._line.close()
        end_all(self._process.pid)
        self._process.kill()
        self._process.wait()


class Started:
    """One target's processes, from their start to their end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started_at = time.monotonic()
        self.began_at: float | None = None
        self.status: int | None = None
        self.guardian: int | None = None
        self.has_ended = False
        self.place = Place.made_for(job)
        self.output = Output()
        self.gate, self.theirs = multiprocessing.Pipe()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._mark = ""

    def start_anew(self, environment: Mapping[str, str]) -> None:
        """Starts its guardian as a new Python, with the environment of the target's process."""
        self._mark = environment[MARK]
        number = self.theirs.fileno()
        words = python_words(GUARDIAN, self.place.folder, str(number))
        if sys.platform == "win32":
            os.set_handle_inheritable(number, True)
        self._guardian = subprocess.Popen(
            words,
            cwd=self.job.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output.other,
            stderr=self.output.other,
            **_apart(number),
        )
        self.has_started()

    def has_started(self) -> None:
        """Closes what is the guardian's, now that it has it."""
        self.theirs.close()
        self.output.close_other()

    def listen(self) -> None:
        """Takes in what the guardian has said: its own number, and at the end the status of the process."""
        try:
            while not self.has_ended and self.gate.poll(0):
                said: int = self.gate.recv()
                if self.guardian is None:
                    self.guardian = said
                else:
                    self.status, self.has_ended = said, True
        except (EOFError, OSError):  # the guardian itself is gone
            self.has_ended = True
        if self.began_at is None and os.path.exists(self.place.words):
            self.began_at = time.monotonic()

    def ask_words(self) -> int:
        """Has the process write down where it is; returns how many characters the file had before."""
        before = len(self.place.text(self.place.words))
        self._ask(Asked.WORDS)
        end = time.monotonic() + _WORDS_SECONDS
        length = before
        while time.monotonic() < end:
            time.sleep(0.01)
            now = len(self.place.text(self.place.words))
            if now == length > before:
                break
            length = now
        return before

    def ask_end(self) -> None:
        """Has all of it ended."""
        self._ask(Asked.END)

    def end(self) -> None:
        """Ends all of it, and waits for that."""
        self.ask_end()
        end = time.monotonic() + _LONGEST_END
        while not self.has_ended and time.monotonic() < end:
            wait([self.gate], 0.1)
            self.listen()

    def handed(self) -> Handed | None:
        """What the process handed over; None for nothing. Raises what pickle does for a file that is none."""
        return self.place.handed()

    def memory_bytes(self, limit: int) -> int:
        """The bytes that all its processes hold in memory; above the limit what they share counts once."""
        return 0 if self.guardian is None else resident_bytes(self.guardian, limit)

    def close(self) -> None:
        """Ends what still runs, and removes the files."""
        self.gate.close()
        self.has_started()
        if self._guardian is not None:
            try:
                self._guardian.wait(_LONGEST_END)
            except subprocess.TimeoutExpired:
                self._guardian.kill()
                self._guardian.wait()
            if self.status is None and self._mark:
                end_all(self._guardian.pid, self._mark)
        self.place.remove()

    def _ask(self, asked: Asked) -> None:
        with contextlib.suppress(OSError):  # it has ended in this moment
            self.gate.send(asked)


def _modules_in(folder: str) -> Iterator[str]:
    """The names of the modules and packages that a folder holds."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name, ending = os.path.splitext(entry.name)
            if ending == ".py" or (not ending and os.path.isfile(os.path.join(entry.path, "__init__.py"))):
                yield name


def _apart(number: int) -> dict[str, Any]:
    """How a process gets a descriptor of ours, and nothing that is typed at our terminal."""
    if sys.platform == "win32":
        return {"close_fds": False, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"pass_fds": (number,), "start_new_session": True}
