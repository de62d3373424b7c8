"""A model that would need more memory than there is, stopped before the machine stops it.

A system that has given out more than it has ends the process without a word. So what tensors ask for is
compared with what was available at the start, before it is used.
"""

from __future__ import annotations

from typing import Final

import torch

from gradscope.errors import UsageError
from gradscope.facts.memory import MemoryKind
from gradscope.folds.storages import NO_MAKER, StorageLog
from gradscope.loader.options import Options
from gradscope.loader.target import Target
from gradscope.memory_use.available import available_bytes, gib
from gradscope.memory_use.fakes import fake_work
from gradscope.memory_use.measuring import measure

SHARE: Final = 0.9
"""Of the memory that is available, what a program may fill: the rest keeps the machine alive."""


class TooLargeError(UsageError):
    """The model needs more memory than there is; `free` bytes were available at the start."""

    free: int | None = None


class LimitedLog(StorageLog):
    """A log that raises TooLargeError as soon as more than `limit` bytes are alive; None is no limit."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.limit = limit

    def born(self, size: int, maker: int = NO_MAKER, kind: MemoryKind = MemoryKind.OTHER) -> int:
        """Notes a storage, as in every log."""
        number = super().born(size, maker, kind)
        if self.limit is not None and self.live > self.limit:
            free, self.limit = round(self.limit / SHARE), None  # once: what runs on the way out may allocate
            error = TooLargeError(
                f"this model needs more memory than there is: {gib(self.live)} so far, "
                f"and {gib(free)} are free"
            )
            error.free = free
            raise error
        return number


def limited_log(device: torch.device) -> LimitedLog:
    """For a run on `device`. On an accelerator there is no limit: its own allocator raises an error."""
    free = available_bytes(device) if device.type == "cpu" else None
    return LimitedLog(None if free is None else int(SHARE * free))


def needed_bytes(target: Target, options: Options) -> int | None:
    """The peak of a step of a target, found on fake tensors; None where it does not run on them."""
    try:
        with fake_work(target, options) as work:
            return measure(work).peak
    except Exception:  # noqa: BLE001  it could only have said how much more is needed
        return None


def told_in_full(error: TooLargeError, target: Target, options: Options) -> UsageError:
    """The error with what the whole step needs, where fake tensors tell, and with what to do."""
    needed, free = needed_bytes(target, options), error.free
    what = error.what
    if needed is not None and free is not None and needed > free:
        what = f"a step of this model needs {gib(needed)}, and {gib(free)} are free here"
    smaller = "or make its inputs smaller: a batch of 1, a shorter sequence"
    return TooLargeError(what, try_next=(f"gradscope memory {target.text} --fake", smaller))
