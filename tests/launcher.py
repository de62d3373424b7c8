"""Starts Pythons that have torch and gradscope imported already, by forking one that has.

    python launcher.py SOCKET

What is started is a process like that of `python WORDS`: its own descriptors, folder, environment, main
module, exit functions and status. Two things are not done in each: the imports, a second of processor time,
and the taking apart of all modules at the end, half a second. Linux only.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

_LONGEST_REQUEST_BYTES = 1 << 17
_MOST_DESCRIPTORS = 16


class Process:
    """A process that a launcher started; what of `subprocess.Popen` is used."""

    def __init__(
        self,
        launcher: str,
        words: Sequence[str],
        stdin: int,
        stdout: int,
        stderr: int,
        pass_fds: Sequence[int] = (),
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
    ) -> None:
        request = {
            "words": list(words),
            "cwd": cwd or os.getcwd(),
            "env": dict(os.environ if env is None else env),
            "start_new_session": start_new_session,
            "pass_fds": list(pass_fds),
        }
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.returncode: int | None = None
        try:
            self._line.connect(launcher)
            socket.send_fds(self._line, [json.dumps(request).encode()], [stdin, stdout, stderr, *pass_fds])
            self.pid = int(self._line.recv(64))
        except BaseException:
            self._line.close()
            raise

    def wait(self, timeout: float | None = None) -> int:
        """Its status, once it has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = int(self._line.recv(64))
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its status; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def kill(self) -> None:
        """Ends it at once, where it has not ended; its number may be another one's then."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _import_before() -> None:
    import gradscope

    # every optimizer imports it, which takes as long as torch itself
    importlib.import_module("torch._dynamo")

    for each in pkgutil.walk_packages(gradscope.__path__, "gradscope."):
        if not each.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # whatever needs it will say so
                importlib.import_module(each.name)


def serve(path: str) -> tuple[dict[str, Any], list[int]] | None:
    """Starts what it is asked for, until nobody holds the other end of its stdin: then None.

    In a process that was started: what was asked for, and the descriptors that came with it.
    """
    with (
        selectors.DefaultSelector() as selector,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door,
        contextlib.ExitStack() as lines,
    ):
        door.bind(path)
        door.listen()
        os.write(1, b"ready\n")
        selector.register(0, selectors.EVENT_READ)
        selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    return None
                if key.fileobj is door:
                    line = lines.enter_context(door.accept()[0])
                    text, descriptors, _, _ = socket.recv_fds(line, _LONGEST_REQUEST_BYTES, _MOST_DESCRIPTORS)
                    number = os.fork()
                    if number == 0:
                        _close_pidfds(selector)
                        return json.loads(text), descriptors
                    for each in descriptors:
                        os.close(each)
                    line.send(str(number).encode())
                    selector.register(os.pidfd_open(number), selectors.EVENT_READ, (number, line))
                else:
                    number, line = key.data
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
                    with contextlib.suppress(BrokenPipeError):  # who asked for it has ended before it
                        line.send(str(status).encode())
                    line.close()


def _close_pidfds(selector: selectors.BaseSelector) -> None:
    for key in selector.get_map().values():
        if key.data is not None:
            os.close(key.fd)


def become(request: dict[str, Any], descriptors: list[int], launcher: str) -> None:
    """Makes this process one that was started with these words, runs them, and ends it."""
    if request["start_new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    wanted = [0, 1, 2, *request["pass_fds"]]
    above = max(*wanted, *descriptors) + 1
    # first out of each other's way: one that came may have the number that another one is to get
    moved = [os.dup2(each, above + place, inheritable=False) for place, each in enumerate(descriptors)]
    for each in descriptors:
        os.close(each)
    for each, number in zip(moved, wanted, strict=True):
        os.dup2(each, number)
        os.close(each)
    _children_of(launcher)
    os._exit(_status_of(request["words"]))


def _children_of(launcher: str) -> None:
    """The process in which `gradscope check` runs functions is started here too, and the server of a gate."""
    from gradscope.checker.process import children
    from gradscope.gating.processes import started

    def start(words: list[str], **options: Any) -> Process:
        null = os.open(os.devnull, os.O_RDWR)
        given = {name: options.pop(name) for name in ("stdin", "stdout", "stderr")}
        streams = {name: null if given[name] == subprocess.DEVNULL else given[name] for name in given}
        process = Process(launcher, words[1:], **streams, **options)
        os.close(null)
        return process

    children.subprocess = started.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": start})


def _status_of(words: list[str]) -> int:
    """What Python does from here on: runs the words, waits for threads, calls exit functions."""
    status = 0
    try:
        _run(words)
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        if status and not isinstance(asked.code, int):
            print(asked.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001  it is shown as Python shows it
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        traceback.print_exception(error.with_traceback(frames))
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or gone
            stream.flush()
    return status & 0xFF


def _run(words: list[str]) -> None:
    main = sys.modules["__main__"] = ModuleType("__main__")
    if words[0] == "-m":
        sys.argv[:] = ["-m", *words[2:]]
        sys.path[0] = os.getcwd()
        runpy._run_module_as_main(words[1])  # private, and what `python -m` calls
        return
    if words[0] == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        sys.path[0] = ""
        exec(words[1], main.__dict__)
        return
    sys.argv[:] = words
    sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
    main.__file__ = words[0]
    with open(words[0], "rb") as file:
        code = compile(file.read(), words[0], "exec")
    exec(code, main.__dict__)


if __name__ == "__main__":
    _import_before()
    asked = serve(sys.argv[1])
    if asked is not None:
        become(*asked, sys.argv[1])
