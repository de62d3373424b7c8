"""What ties processes together: nothing that a gate started outlives it, whatever ends it. No torch here.

The system calls are Linux'. Elsewhere processes are found by a variable of their environment, `MARK`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import Final

import psutil

MARK: Final = "GRADSCOPE_GATE"
"""The environment variable of all processes of a gate; each target that is started anew has its own value."""

WORDS_SIGNAL: Final = (
    int(signal.SIGRTMAX) - 3 if sys.platform == "linux" else int(getattr(signal, "SIGINFO", 0))
)
"""Upon it a process writes down where it is; no program uses it. 0 where the platform has none."""

_SET_PDEATHSIG: Final = 1
_SET_CHILD_SUBREAPER: Final = 36
_KILL_SECONDS: Final = 5.0  # for what was sent SIGKILL to be gone
_CLEANERS: Final = ("multiprocessing.resource_tracker", "torch_shm_manager")


def die_with(parent: int) -> None:
    """Has the system end this process when its parent, of that number, ends; Linux only."""
    if sys.platform == "linux":
        _control(_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it ended before
            os._exit(1)


def adopt_orphans() -> bool:
    """Makes this process the parent of all below it whose own parent ends, as if it were the system's first.

    So that what a program detaches can be found. False where the platform has no such thing.
    """
    return sys.platform == "linux" and _control(_SET_CHILD_SUBREAPER, 1)


def be_taken_first() -> None:
    """Has Linux end this process and its children before all others where the machine's memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _control(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):  # a libc without it
        return False


def below(number: int) -> list[psutil.Process]:
    """All living processes that a process started, and those that these started."""
    with contextlib.suppress(psutil.Error):
        return [each for each in psutil.Process(number).children(recursive=True) if _lives(each)]
    return []


def marked(mark: str) -> list[psutil.Process]:
    """All living processes, this one left out, with that value of `MARK`."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if each.pid != os.getpid() and each.environ().get(MARK) == mark and _lives(each):
                found.append(each)
    return found


def end_all(number: int, mark: str = "") -> list[int]:
    """Ends everything below a process, and everything with a mark where one is given.

    Returns the numbers of those that could not be ended in 5 s, which is none but for a fault of a driver's.
    """
    end = time.monotonic() + _KILL_SECONDS
    while found := _found(number, mark):
        # what clears up after the others ends by itself once they are gone
        others = [each for each in found if not _is_cleaner(each)]
        if time.monotonic() > end:
            return [each.pid for each in found]
        for each in others or (found if time.monotonic() > end - 0.8 * _KILL_SECONDS else []):
            with contextlib.suppress(psutil.Error):
                each.kill()
        time.sleep(0.005)
    return []


def wait_for_all(number: int, seconds: float, mark: str = "") -> None:
    """Waits for what a process left behind to end by itself, for that long."""
    end = time.monotonic() + seconds
    while _found(number, mark) and time.monotonic() < end:
        time.sleep(0.01)


def _found(number: int, mark: str) -> list[psutil.Process]:
    found = {} if _has_no_child(number) else {each.pid: each for each in below(number)}
    if mark:
        found.update((each.pid, each) for each in marked(mark))
    return list(found.values())


def _has_no_child(number: int) -> bool:
    """Whether that is this process, and it has no child: then not all processes need be looked at."""
    if os.name != "posix" or number != os.getpid():
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:  # takes note of the end of those that were adopted
            pass
    except ChildProcessError:
        return True
    return False


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_cleaner(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        words = " ".join(process.cmdline())
        return any(each in words for each in _CLEANERS)
    return False
