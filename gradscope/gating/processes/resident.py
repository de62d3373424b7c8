"""How much memory a target's processes hold together. No torch here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import psutil


def resident_bytes(guardian: int, limit: int) -> int:
    """The bytes that all processes below a guardian hold in memory.

    Above the limit what they share is counted once, where the system tells that: that takes time.
    """
    numbers = list(_below(guardian))
    size = sum(_told(each, "rss") for each in numbers)
    if size <= limit or sys.platform != "linux":
        return size
    return sum(_told(each, "pss") for each in numbers)


def _told(number: int, what: str) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(number)
        info = process.memory_full_info() if what == "pss" else process.memory_info()
        return int(getattr(info, what))
    return 0


def _below(number: int) -> Iterator[int]:
    """The processes that a process started, and those that these started.

    Linux lists them by their parent, which takes a hundredth of the time of looking at all there are. One may
    be missing that way while another one ends, so this is not for ending them.
    """
    try:
        threads = os.listdir(f"/proc/{number}/task")
        lists = [_read(f"/proc/{number}/task/{thread}/children") for thread in threads]
    except OSError:  # it has ended, or this is not Linux, or one that is built without
        with contextlib.suppress(psutil.Error):
            yield from (each.pid for each in psutil.Process(number).children(recursive=True))
        return
    for child in (int(each) for listed in lists for each in listed.split()):
        yield child
        yield from _below(child)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except ProcessLookupError:  # it ended after its file was opened
        return ""
