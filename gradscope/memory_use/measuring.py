"""One step measured: all that was alive at once, and what the forward left for the backward."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake
from torch.autograd.profiler import profile, record_function

from gradscope.facts import MemoryKind, MemoryPhase
from gradscope.folds.storages import StorageLog
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule, Choices, Measured
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.checkpointing import applied
from gradscope.recorder.memory.storages import LiveStorages, storages_of

_MARK: Final = "gradscope: "
_FULL: Final = (
    "can't allocate memory",
    "out of memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_cpu",
)


def measure(
    work: Work,
    blocks: Sequence[BlockModule] = (),
    choices: Choices = (),
    then: Callable[[], None] = lambda: None,
) -> Measured:
    """One step with every block checkpointed as it was chosen; no gradient is left behind.

    `then` is called after the step, while its gradients stand in `.grad`.

    Counted is what the step needs, and what was there before it: parameters, buffers, the state of the
    optimizer. On fake tensors it must be called inside their mode. What the step raises comes out.
    """
    work.zero_grad()
    gc.collect()
    log = StorageLog()
    storages = LiveStorages(log)
    hold_all(work, storages)
    before = log.live
    allocator = _allocator_of(work, before)
    # They are seen when a step copies them, and are not its own: a program has its inputs but once.
    storages.hold(work.inputs.tensors(), MemoryKind.INPUT)
    originals = log.live - before
    at_start, at_backward = log.live, log.live

    def enter(phase: MemoryPhase) -> None:
        nonlocal at_start, at_backward
        if phase is MemoryPhase.FORWARD:
            at_start = log.live
        elif phase is MemoryPhase.BACKWARD:
            at_backward = log.live
        log.enter(phase)
        if allocator is not None:
            allocator.enter(phase)

    try:
        with unchanged(work), applied(blocks, choices), _around(allocator), storages:
            work.step(
                lambda: enter(MemoryPhase.FORWARD),
                lambda: enter(MemoryPhase.BACKWARD),
                lambda: enter(MemoryPhase.OPTIMIZER),
            )
        then()
    finally:
        storages.close()
        work.zero_grad()
    tensor_phase, (most, _) = max(log.peaks.items(), key=lambda found: found[1][0])
    tensors = most - originals
    saved = at_backward - at_start
    if allocator is None:
        return Measured(tensors, tensors, tensor_phase, saved)
    phase, peak = allocator.peak()
    return Measured(peak, tensors, phase, saved, allocator.reserved)


def hold_all(work: Work, storages: LiveStorages) -> None:
    """Counts what exists before a step: parameters, buffers, and the state of the optimizer.

    The inputs are not counted: a step makes its own copies of them, which it counts.
    """
    for root in work.roots:
        storages.hold(root.parameters(), MemoryKind.PARAMETER)
        storages.hold(root.buffers(), MemoryKind.BUFFER)
    storages.hold(_optimizer_state(work), MemoryKind.OPTIMIZER_STATE)


def is_on_fake(work: Work) -> bool:
    """Whether the work is done on fake tensors, which have no memory: in their mode all new ones are."""
    return (
        is_fake(torch.empty(0))
        or any(is_fake(each) for root in work.roots for each in root.parameters())
        or any(is_fake(each) for each in work.inputs.tensors())
    )


def _optimizer_state(work: Work) -> Iterator[Tensor]:
    if work.optimizer is not None:
        for state in work.optimizer.state.values():
            yield from (each for each in state.values() if isinstance(each, Tensor))


@contextmanager
def _around(allocator: _Profiled | _Cuda | None) -> Iterator[None]:
    if allocator is None:
        yield
    else:
        with allocator.watching():
            yield


def _allocator_of(work: Work, before: int) -> _Profiled | _Cuda | None:
    """What tells the allocator's own figures, None where there is none; `before` bytes are in use."""
    if is_on_fake(work):
        return None
    if work.placement.device.type == "cuda":
        return _Cuda(work)
    return _Profiled(before) if work.placement.device.type == "cpu" else None


class _Profiled:
    """The memory events of torch's profiler: what the CPU's allocator gave out and took back."""

    reserved: int | None = None

    def __init__(self, before: int) -> None:
        self._before = before
        self._events: list[Any] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around the step."""
        with quiet_kineto(), profile(use_cpu=True, profile_memory=True) as profiled:
            yield
        self._events = sorted(profiled.kineto_results.events(), key=lambda event: event.start_ns())

    def enter(self, phase: MemoryPhase) -> None:
        """Puts a mark among the events."""
        with record_function(_MARK + phase):
            pass

    def peak(self) -> tuple[MemoryPhase, int]:
        """The most that was given out at once, what was there before included, and when."""
        live, phase = self._before, MemoryPhase.OUTSIDE
        best = (phase, live)
        for event in self._events:
            name = event.name()
            if name == "[memory]":
                live += event.nbytes()
                if live > best[1]:
                    best = (phase, live)
            elif name.startswith(_MARK):
                phase = MemoryPhase(name.removeprefix(_MARK))
        return best


@contextmanager
def quiet_kineto() -> Iterator[None]:
    """Around a profile, whose library would write on stderr when it starts and stops.

    It reads its log level from the environment when it first starts.
    """
    name = "KINETO_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ.setdefault(name, "9")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


class _Cuda:
    """The figures of CUDA's caching allocator, by phase."""

    def __init__(self, work: Work) -> None:
        self._device = work.placement.device
        own = {s._cdata: s.nbytes() for each in work.inputs.tensors() for s in storages_of(each)}
        self._not_the_program = sum(own.values())  # the step works on copies of its own
        self._phase = MemoryPhase.OUTSIDE
        self._peaks: dict[MemoryPhase, int] = {}
        self.reserved: int | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around the step."""
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
        try:
            yield
        finally:
            torch.cuda.synchronize(self._device)
            self._look()

    def enter(self, phase: MemoryPhase) -> None:
        """Ends a phase and begins another."""
        self._look()
        self._phase = phase
        torch.cuda.reset_peak_memory_stats(self._device)

    def _look(self) -> None:
        peak = torch.cuda.max_memory_allocated(self._device)
        self._peaks[self._phase] = max(self._peaks.get(self._phase, 0), peak)
        self.reserved = max(self.reserved or 0, torch.cuda.max_memory_reserved(self._device))

    def peak(self) -> tuple[MemoryPhase, int]:
        """The most that was allocated at once, and when."""
        phase = max(self._peaks, key=lambda phase: self._peaks[phase])
        return phase, self._peaks[phase] - self._not_the_program


def is_memory_error(name: str, message: str) -> bool:
    """Whether an error of that class with that message means that memory ran out."""
    if name in ("OutOfMemoryError", "MemoryError"):
        return True
    return name == "RuntimeError" and any(each in message.lower() for each in _FULL)


def memory_error(error: BaseException) -> str | None:
    """What to say of an error that means that memory ran out; None for any other."""
    text = str(error)
    if not is_memory_error(type(error).__name__, text):
        return None
    first = text.strip().partition("\n")[0].partition(". ")[0]
    return f"ran out of memory: {first}" if first else "ran out of memory"


def in_short(error: BaseException) -> str:
    """The class of an error and the first sentence of what it says."""
    first = str(error).strip().partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__


def clean_up(work: Work) -> None:
    """Frees what a step that failed has left: gradients, graphs in cycles, the allocator's cache."""
    work.zero_grad()
    gc.collect()
    if work.placement.device.type == "cuda":
        torch.cuda.empty_cache()
