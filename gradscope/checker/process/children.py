"""The user's code in a process of its own: started, listened to, given up when it hangs. No torch here.

    with Child(request) as child:
        for message in child.messages(limit): ...

Nothing is forked: the process is a new Python, so it is the same on every platform. What it tells comes over
a pipe of its own; its stdout is our stderr, its stdin is empty.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from gradscope.checker.process.messages import Finished, Message
from gradscope.checker.process.request import Request

_POLL_SECONDS = 0.05
_EXIT_SECONDS = 5.0  # between the end of its pipe and the end of a process

# `-c`, not `-m`: that would make modules of the working directory importable before ours are.
_START = (
    "import sys; root = sys.argv.pop(1)\n"
    "if sys.flags.safe_path: sys.path.insert(0, root)\n"
    "else: sys.path[0] = root\n"
    "from gradscope.checker.process.worker import main\n"
    "main(int(sys.argv.pop(1)), sys.argv.pop(1))"
)


class Child:
    """One process that runs a request.

    `died` says how it ended where that was not of its own accord: "crashed the process (SIGSEGV)". `crash`
    is the file into which `faulthandler` wrote where it was.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self.died = ""
        self.crash = ""

    def __enter__(self) -> Self:
        number, self.crash = tempfile.mkstemp(prefix="gradscope-", suffix=".txt")
        os.close(number)
        self._ours, theirs = multiprocessing.Pipe()
        try:
            self._process = _start(theirs, self.crash)
        finally:
            theirs.close()
        with contextlib.suppress(OSError):  # it died at once; listening to it will tell
            self._ours.send(self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kill()
        self._ours.close()
        with contextlib.suppress(OSError):
            os.unlink(self.crash)

    def messages(self, limit: Callable[[], float]) -> Iterator[Message]:
        """What the process tells, up to `Finished`, or up to its death, or until it was silent too long.

        `limit` gives the seconds for which it may be silent, and is asked after every message.
        """
        while True:
            message = self._next(time.monotonic() + limit(), limit)
            if message is None or isinstance(message, Finished):
                return
            yield message

    def _next(self, end: float, limit: Callable[[], float]) -> Message | None:
        """The next message; None where there will be none, and `died` says why."""
        try:
            while not self._ours.poll(_POLL_SECONDS):
                if self._process.poll() is not None and not self._ours.poll(0):
                    raise EOFError
                if time.monotonic() > end:
                    self.died = f"nothing after {limit():g} s: stopped"
                    return None
            message: Message = self._ours.recv()
            return message
        except (EOFError, OSError):
            self.died = self._end()
            return None

    def _end(self) -> str:
        """How the process ended, in words that follow the name of what it was running."""
        try:
            status = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed the pipe to gradscope"
        return ended(status)

    def _kill(self) -> None:
        """Ends the process and what it started, however it stands."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the group that it leads
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def ended(status: int) -> str:
    """What a return code of a process means: "crashed the process (SIGSEGV)", "ended the process ..."."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        if name == "SIGKILL":
            return "was killed (SIGKILL; the system does that when memory runs out)"
        return f"crashed the process ({name})"
    if status in _WINDOWS_CRASHES:
        return f"crashed the process ({_WINDOWS_CRASHES[status]})"
    return f"ended the process (exit status {status})"


_WINDOWS_CRASHES = {
    0xC0000005: "access violation",
    0xC00000FD: "stack overflow",
    0xC0000374: "heap corruption",
}


def _start(theirs: Connection[Any, Any], crash: str) -> subprocess.Popen[bytes]:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    number = theirs.fileno()
    flags = ["-P"] if sys.flags.safe_path else []
    words = [sys.executable, *flags, "-c", _START, root, str(number), crash]
    stderr = _descriptor(sys.stderr)
    if sys.platform == "win32":
        os.set_handle_inheritable(number, True)
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            close_fds=False,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
        pass_fds=(number,),
        start_new_session=True,  # Ctrl-C is ours; and what it starts can be ended with it
    )


def _descriptor(stream: Any) -> int:
    """The file descriptor of a stream of ours; that of nothing where it has none."""
    try:
        stream.flush()
        number: int = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL
    return number
