"""Runs Python as a user does, in a process of its own, started in a tenth of the time where that can be done.

Where the start itself is what a test is about, or `--fresh` is given, or this is not Linux, a new Python is
started; everywhere else it is forked by `launcher.py`. Either way it is a process, with streams of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.launcher import Process

LAUNCHER = Path(__file__).with_name("launcher.py")
LONGEST_SECONDS = 300.0


def _can_fork() -> bool:
    """Whether the launcher can be told of the end of what it starts: Linux, from 5.3 on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


always_fresh = not _can_fork()
"""Also set by `--fresh`."""

_socket = ""


def environment() -> dict[str, str]:
    """One thread, 80 columns, no colour, whatever this machine has."""
    kept = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "PYTHONWARNINGS")}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "NO_COLOR": "1", "CUDA_VISIBLE_DEVICES": ""}


def python(
    words: Sequence[str], *, cwd: Path, stdin: str | None = None, together: bool = False, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in a folder, to its end. `together` puts what it writes to stderr into stdout."""
    if fresh or always_fresh:
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env=environment(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else subprocess.PIPE,
            encoding="utf-8",
            timeout=LONGEST_SECONDS,
        )
    out = _Received()
    err = out if together else _Received()
    with open(os.devnull, "rb") if stdin is None else tempfile.TemporaryFile() as given:
        if stdin is not None:
            given.write(stdin.encode())
            given.seek(0)
        streams = (given.fileno(), out.other, err.other)
        process = Process(_launcher(), words, *streams, cwd=str(cwd), env=environment())
    try:
        status = process.wait(LONGEST_SECONDS)
    finally:
        process.kill()
    return subprocess.CompletedProcess(list(words), status, out.text(), None if together else err.text())


class _Received:
    """What processes write into a pipe, whose other end is the file descriptor `other`."""

    def __init__(self) -> None:
        ours, self.other = os.pipe()
        self._text = ""
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def _read(self, ours: int) -> None:
        with open(ours, encoding="utf-8") as file:
            self._text = file.read()

    def text(self) -> str:
        """Everything, once nobody holds the other end any more. Raises TimeoutError."""
        os.close(self.other)
        self._reader.join(LONGEST_SECONDS)
        if self._reader.is_alive():
            raise TimeoutError("somebody keeps its output open")
        return self._text


def _launcher() -> str:
    """The socket of this process' launcher, which is started when it is first needed."""
    global _socket
    if not _socket:
        folder = tempfile.mkdtemp(prefix="gradscope-launcher-")
        process = subprocess.Popen(
            [sys.executable, str(LAUNCHER), os.path.join(folder, "socket")],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C that ends the suite is not for it: it ends with its stdin
        )
        atexit.register(_end, process, folder)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "the launcher has ended; its stderr says why"
        _socket = os.path.join(folder, "socket")
    return _socket


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    process.communicate()  # closes its stdin, which is the sign to end
    shutil.rmtree(folder, ignore_errors=True)
