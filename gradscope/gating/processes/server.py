"""A Python that has torch and gradscope imported, and forks guardians and targets' processes. Linux only.

Importing torch and what an optimizer needs of it takes seconds of processor time; a fork takes milliseconds.
What is forked is like a process that was started anew: nothing has run in this one but imports, it has one
thread, no accelerator is set up in it, and the generators that Python seeds at start are seeded anew.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
import warnings
from multiprocessing.connection import Connection
from typing import Any, Final

from gradscope.gating.processes.guardian import Forked, guard
from gradscope.gating.processes.handover import Place
from gradscope.gating.processes.lifeline import adopt_orphans, die_with

_LONGEST_REQUEST_BYTES: Final = 1 << 14
_IMPORTED: Final = (
    "torch",
    "gradscope.checking",
    "gradscope.gating.processes.worker",
    "gradscope.memory_measuring",
    "gradscope.memory_use.measuring",
    "gradscope.tracing",
)

SERVER: Final = "from gradscope.gating.processes.server import main\nmain(int(sys.argv.pop(1)))"
READY: Final = b"ready"

_EARLIER: Final = ("torch._dynamo",)
"""Imported though not every program needs it: every optimizer does, and it takes as long as torch."""


def main(number: int) -> None:
    """Serves over the socket with the descriptor `number` until nobody holds its other end; ends the process.

    Says `READY` first, with the names of modules that a program of its own has not imported when it starts;
    or why it cannot serve. A request is the folder of a job, and two descriptors: the
    guardian's pipe to the gate, and where the target's output goes.
    """
    line = socket.socket(fileno=number)
    line.set_inheritable(False)
    earlier = _import()
    reason = _unfit()
    line.send(reason.encode() if reason else b" ".join((READY, *(name.encode() for name in earlier))))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how guardians ended: they tell the gate
    if not reason:
        _serve(line)
    os._exit(0)


def _import() -> set[str]:
    """Imports what targets need, and returns the names of the modules that most of them need only later.

    Variables that this sets in the environment are taken out again.
    """
    before = dict(os.environ)
    for name in _IMPORTED:
        importlib.import_module(name)
    needed = _top_level()
    for name in _EARLIER:
        importlib.import_module(name)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    return _top_level() - needed


def _top_level() -> set[str]:
    return {name for name in sys.modules if "." not in name}


def _unfit() -> str:
    """Why this process cannot be forked without harm; "" where it can."""
    if not adopt_orphans():  # they are the guardians', and ours where a program ends its guardian
        return "the system does not say what processes a program has detached"
    if threading.active_count() > 1:
        return "a module that is imported has started a thread"
    number = _fork()
    if number == 0:
        os._exit(_harm())
    harmed = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    return "an accelerator is set up when torch is imported" if harmed else ""


def _harm() -> int:
    """1 in a fork that could not use an accelerator."""
    import torch

    backends = (torch.cuda, torch.xpu, torch.mtia)
    return int(any(each.is_initialized() or each._is_in_bad_fork() for each in backends))


def _serve(line: socket.socket) -> None:
    while True:
        request, descriptors, _flags, _address = socket.recv_fds(line, _LONGEST_REQUEST_BYTES, 2)
        if not request:
            return
        if _fork() == 0:
            line.close()
            _guard(os.fsdecode(request), *descriptors)
            os._exit(0)
        for each in descriptors:
            os.close(each)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python counts the threads of NumPy's BLAS, which knows forks
        return os.fork()


def _guard(folder: str, gate: int, output: int) -> None:
    """In a fork: guards another one, which does the job of a folder."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    adopt_orphans()
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    line: Connection[Any, Any] = Connection(gate)
    guard(line, lambda: Forked(_worker(folder, line)), Place(folder))


def _worker(folder: str, gate: Connection[Any, Any]) -> int:
    """The number of a new process that does the job of a folder."""
    guardian = os.getpid()
    number = _fork()
    if number:
        return number
    gate.close()
    os.setsid()
    die_with(guardian)
    _seed_anew()
    from gradscope.gating.processes.worker import main as work

    work(folder, guardian)
    os._exit(0)


def _seed_anew() -> None:
    """Seeds the generators of torch and NumPy by chance, as when they are imported; Python does so itself."""
    import torch

    torch.default_generator.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
