"""The system's limit on the memory of this process: an allocation fails at a line of the program then."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_STATUS: Final = "/proc/self/status"
_SLACK_BYTES: Final = 128 << 20
_THREAD_BYTES: Final = 16 << 20
"""For each processor: the stacks of two threads, which are counted whole and hardly used."""


def is_possible() -> bool:
    """True on Linux where there is no accelerator: the driver of one maps more than it uses. Needs torch."""
    import torch

    return sys.platform == "linux" and torch.accelerator.current_accelerator(check_available=True) is None


@contextmanager
def data_limited(size: int) -> Iterator[None]:
    """Lets this process hold about `size` bytes, beyond which torch and Python say that memory ran out.

    What is limited is the writable memory that is its own, touched or not. Linux only.
    """
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _limit(size)
    soft, hard = before
    for each in (soft, hard):
        wanted = wanted if each == resource.RLIM_INFINITY else min(wanted, each)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _limit(size: int) -> int:
    """The bytes of data that go with `size` bytes of resident memory."""
    slack = _SLACK_BYTES + _THREAD_BYTES * (os.cpu_count() or 1)
    return _now("VmData") + max(size - _now("VmRSS"), 0) + slack


def _now(name: str) -> int:
    with open(_STATUS, encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
