"""All that the page is told of a run, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from gradscope.errors import printable
from gradscope.facts import Recording
from gradscope.facts.memory import AllocatorUse, MemoryKind, MemoryPeak, MemoryUse, Moment
from gradscope.finding import Finding, Location
from gradscope.report import Report
from gradscope.reporters.memory_page.compared import comparison_of, sweep_of
from gradscope.reporters.memory_page.saved import lines_of, modules_of, place_of, tensors_of, unused_of
from gradscope.reporters.memory_words import LEAST_SHARE, when

STACKED: Final = (
    MemoryKind.PARAMETER,
    MemoryKind.BUFFER,
    MemoryKind.INPUT,
    MemoryKind.OPTIMIZER_STATE,
    MemoryKind.GRADIENT,
    MemoryKind.SAVED,
    MemoryKind.OTHER,
)
"""The order in which kinds are drawn over each other: what stays lies below what comes and goes."""


def content_of(report: Report, cwd: str) -> dict[str, Any]:
    """The figures, tables and texts of the page; every text is printable."""
    recording = report.recording
    memory = recording.memory or MemoryUse(recording.device, ())
    peak = memory.peak
    return {
        "target": printable(report.target),
        "device": printable(memory.device),
        "fake": memory.is_fake,
        "steps": recording.steps,
        "seconds": memory.step_seconds,
        "kinds": [[_key(kind), kind.value] for kind in STACKED],
        "peak": None if peak is None else _peak(peak, recording, cwd),
        "phases": [[each.phase.value, each.size] for each in memory.peaks],
        "totals": _totals(memory),
        "allocator": None if memory.allocator is None else _allocator(memory.allocator),
        "curve": _curve(memory.curve, timed=not memory.is_fake),
        "findings": [_finding(each, cwd) for each in report.findings],
        "unused": unused_of(memory, cwd),
        "modules": modules_of(memory),
        "lines": lines_of(memory, recording, cwd),
        "tensors": tensors_of(memory, cwd),
        **comparison_of(memory),
        "sweep": sweep_of(memory.sweep),
        "ended": _ending(recording),
        "notes": [printable(each) for each in recording.notes],
        "unseen": [printable(each) for each in recording.not_seen],
    }


def _ending(recording: Recording) -> str:
    """`RuntimeError: size mismatch`, empty where no exception ended the program."""
    error = recording.program.error
    return printable(f"{error.type}: {error.message}".rstrip(": ")) if error is not None else ""


def _key(kind: MemoryKind) -> str:
    """The name by which the style knows a kind: its colour is `--optimizer_state`."""
    return kind.name.lower()


def _sizes(kinds: Mapping[MemoryKind, int]) -> list[int]:
    return [kinds.get(kind, 0) for kind in STACKED]


def _peak(peak: MemoryPeak, recording: Recording, cwd: str) -> dict[str, Any]:
    return {
        "bytes": peak.size,
        "kinds": _sizes(peak.kinds),
        "when": when(peak, recording.steps),
        "module": printable(peak.module or ""),
        "op": printable(peak.op or ""),
        "at": place_of(peak.location, cwd),
        "source": _source(peak.location, recording),
    }


def _source(location: Location | None, recording: Recording) -> str:
    return printable(" ".join(recording.line(location).split()))


def _totals(memory: MemoryUse) -> list[list[Any]]:
    """What there is of everything at the end of a step: [name, bytes]."""
    optimizer = f"{printable(memory.optimizer)}'s state" if memory.optimizer else "optimizer state"
    totals = (
        ("saved for backward", memory.saved),
        ("parameters", memory.parameters),
        ("gradients", memory.gradients),
        (optimizer, memory.optimizer_state),
        ("buffers", memory.buffers),
        ("inputs", memory.inputs),
        ("held by Python", memory.python_kept),
    )
    least = LEAST_SHARE * memory.peak.size if memory.peak is not None else 0
    return [[name, size] for name, size in totals if size > least]


def _allocator(use: AllocatorUse) -> dict[str, Any]:
    return {"reserved": use.reserved, "allocated": use.allocated, "retries": use.retries}


def _curve(curve: Sequence[Moment], *, timed: bool) -> dict[str, Any]:
    """Columns: `at`, in seconds where `timed` and else a number of the moment, and the bytes of each kind.

    `phases` are stretches: [name, first, last] moment.
    """
    starts = [0, *(index + 1 for index, (a, b) in enumerate(pairwise(curve)) if a.phase is not b.phase)]
    ends = [*(start - 1 for start in starts[1:]), len(curve) - 1]
    return {
        "at": [round(each.seconds, 6) if timed else number for number, each in enumerate(curve)],
        "timed": timed,
        "kinds": [[each.kinds.get(kind, 0) for each in curve] for kind in STACKED],
        "phases": [
            [curve[first].phase.value, first, last] for first, last in zip(starts, ends, strict=True) if curve
        ],
    }


def _finding(finding: Finding, cwd: str) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": printable(finding.message),
        "at": place_of(finding.location, cwd),
        "fix": printable(finding.fix),
    }
