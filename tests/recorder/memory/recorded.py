"""Runs a function under the recorder and hands out what it told of memory."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from gradscope.facts import MemoryPeak, MemoryPhase, MemoryUse
from gradscope.folds.storages import StorageLog
from gradscope.recorder import Recorder


def memory_of(run: Callable[[], object], graph_of: int | None = None) -> MemoryUse:
    """The memory of a run, in which no fault of our own may have happened."""
    recorder = Recorder(storages=StorageLog(), graph_of=graph_of)
    with recorder:
        run()
    recording = recorder.recording()
    faults = [text for text in recording.not_seen if "fault" in text]
    assert not faults, faults
    assert recording.memory is not None
    return recording.memory


def peak_in(use: MemoryUse, phase: MemoryPhase) -> MemoryPeak:
    """The peak of a phase."""
    return next(peak for peak in use.peaks if peak.phase is phase)


def profiled_peak(run: Callable[[], object]) -> int:
    """The most bytes that were allocated at once on the CPU, by torch's profiler."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def nbytes(*tensors: torch.Tensor) -> int:
    """The bytes behind these tensors together."""
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)
