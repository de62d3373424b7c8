"""The memory that single ops take for themselves and give back before they return, seen in one step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import torch
from torch.autograd.profiler import profile, record_function

from gradscope.folds.storages import StorageLog
from gradscope.loader.work import Work
from gradscope.memory_use.measuring import is_on_fake, quiet_kineto
from gradscope.memory_use.traced import Scratch
from gradscope.recorder.memory.storages import LiveStorages

LEAST: Final = 1_024
"""Bytes below which scratch memory is not noted."""
_MARK: Final = "gradscope: op"


class Allocator(Protocol):
    """Sees what every op takes, at most and in the end."""

    def begin(self) -> None:
        """Before an op."""

    def end(self) -> None:
        """After it."""

    def taken(self) -> list[tuple[int, int]]:
        """By op, in their order: the most that it had taken, and what was left of that at its end."""


class WatchedStorages(LiveStorages):  # type: ignore[no-untyped-call]  # torch's own
    """Storages, and beside them the scratch memory of the ops, where there is an allocator to tell it.

    `now` gives the time at which an op begins.
    """

    def __init__(
        self,
        log: StorageLog,
        now: Callable[[], int],
        allocator: Allocator | None = None,
        maker: Callable[[Any], int] | None = None,
    ) -> None:
        super().__init__(log, maker)
        self._now = now
        self._allocator = allocator
        self._starts: list[tuple[int, int]] = []
        self.casts: set[int] = set()
        """Copies of weights in another dtype."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Where the program compiles, Dynamo must not look into it."""
        return "torch._dynamo" in sys.modules

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any] | None) -> Any:
        if self._allocator is None:
            return self._noted(func, args, kwargs)
        self._starts.append((self._now(), len(self.log.sizes)))
        self._allocator.begin()
        try:
            return self._noted(func, args, kwargs)
        finally:
            self._allocator.end()

    def _noted(self, func: Any, args: Any, kwargs: dict[str, Any] | None) -> Any:
        output = super()._run(func, args, kwargs)
        if func is torch.ops.aten._to_copy.default and args[0].is_leaf and args[0].requires_grad:
            self.casts.update(self.numbers(output))
        return output

    def scratch(self) -> tuple[Scratch, ...]:
        """What the ops took beyond their outputs; nothing where the allocator has not told it."""
        if self._allocator is None:
            return ()
        taken = self._allocator.taken()
        if len(taken) != len(self._starts):
            return ()
        return tuple(
            Scratch(event, birth, most)
            for (event, birth), (most, left) in zip(self._starts, taken, strict=True)
            if most - max(left, 0) >= LEAST
        )


@contextmanager
def told_by_allocator(work: Work) -> Iterator[Allocator | None]:
    """What tells, inside it, the figures of the allocator of the device; None on fake tensors."""
    device = work.placement.device
    if is_on_fake(work) or device.type not in ("cpu", "cuda"):
        yield None
    elif device.type == "cuda":
        yield _Cuda(device)
    else:
        with quiet_kineto(), profile(use_cpu=True, profile_memory=True) as profiled:
            yield _Profiled(profiled)


class _Profiled:
    """The CPU's allocator, as torch's profiler sees it."""

    def __init__(self, profiled: Any) -> None:
        self._profiled = profiled
        self._mark: Any = None

    def begin(self) -> None:
        self._mark = record_function(_MARK)
        self._mark.__enter__()

    def end(self) -> None:
        self._mark.__exit__(None, None, None)

    def taken(self) -> list[tuple[int, int]]:
        events = sorted(self._profiled.kineto_results.events(), key=lambda event: event.start_ns())
        found: list[tuple[int, int]] = []
        until = live = 0
        for event in events:
            if event.name() == _MARK:
                found.append((0, 0))
                until, live = event.start_ns() + event.duration_ns(), 0
            elif event.name() == "[memory]" and found and event.start_ns() <= until:
                live += event.nbytes()
                found[-1] = max(found[-1][0], live), live
        return found


class _Cuda:
    """The caching allocator of CUDA."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0
        self._found: list[tuple[int, int]] = []

    def begin(self) -> None:
        torch.cuda.reset_peak_memory_stats(self._device)
        self._before = torch.cuda.memory_allocated(self._device)

    def end(self) -> None:
        most, left = torch.cuda.max_memory_allocated(self._device), torch.cuda.memory_allocated(self._device)
        self._found.append((most - self._before, left - self._before))

    def taken(self) -> list[tuple[int, int]]:
        return self._found
