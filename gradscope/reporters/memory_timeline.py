"""The memory curve as Chrome's trace events: JSON that Perfetto (ui.perfetto.dev) and chrome://tracing open.

Source of the format: the "Trace Event Format" document of the Chromium project. Every moment of the curve is
a counter event (`ph` "C") with the bytes of each kind, and one of their sum; phases are complete events (`ph`
"X"), the peak is an instant (`ph` "i"). Times are microseconds from the start of the recording.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from gradscope.errors import printable
from gradscope.facts.memory import MemoryKind, MemoryPeak, MemoryUse, Moment
from gradscope.finding import Location
from gradscope.report import Report
from gradscope.reporters.chrome_trace import START
from gradscope.reporters.memory_words import PHASES, size_text
from gradscope.reporters.paths import short_path

_PROCESS: Final = 1
_PHASES: Final = 1  # the track of the phases
_CLOCK: Final = "monotonic, in microseconds from the start of the recording"
_FAKE_CLOCK: Final = f"{_CLOCK}; on fake tensors no op takes the time that it would"


def timeline_of(report: Report, cwd: str) -> str:
    """The whole file, ASCII. The report's memory must have been measured; paths are relative to `cwd`."""
    memory = report.recording.memory
    assert memory is not None, "the memory of the run was measured"
    process = f"gradscope {report.command} {report.target}"
    events = [*_metadata(process), *_phases(memory.curve), *_counters(memory.curve), *_peak(memory, cwd)]
    about = json.dumps(_about(report, memory), separators=(",", ":"))
    return START + ",\n".join(map(_encoded, events)) + f'\n],"otherData":{about}}}\n'


def _encoded(event: Mapping[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), allow_nan=False)


def _metadata(process: str) -> Iterator[dict[str, Any]]:
    for name, track, told in (("process_name", 0, printable(process)), ("thread_name", _PHASES, "phases")):
        yield {"ph": "M", "name": name, "pid": _PROCESS, "tid": track, "args": {"name": told}}


def _phases(curve: Sequence[Moment]) -> Iterator[dict[str, Any]]:
    """A slice for each stretch of moments in one phase, up to where the next one begins."""
    starts = [moment for before, moment in pairwise([None, *curve]) if moment and _begins(before, moment)]
    for moment, following in pairwise([*starts, *curve[-1:]]):
        duration = following.seconds - moment.seconds
        event = {"ph": "X", "cat": "phase", "name": moment.phase.value, "pid": _PROCESS, "tid": _PHASES}
        yield event | {"ts": _microseconds(moment.seconds), "dur": _microseconds(max(0.0, duration))}


def _begins(before: Moment | None, moment: Moment) -> bool:
    return before is None or before.phase is not moment.phase


def _counters(curve: Sequence[Moment]) -> Iterator[dict[str, Any]]:
    """Two counters: what is alive by kind, and in all; a kind that never occurs is left out."""
    kinds = [kind for kind in MemoryKind if any(moment.kinds.get(kind) for moment in curve)]
    for moment in curve:
        at = {"ph": "C", "pid": _PROCESS, "ts": _microseconds(moment.seconds)}
        by_kind = {kind.value: moment.kinds.get(kind, 0) for kind in kinds}
        yield at | {"name": "bytes alive", "args": {"all": sum(by_kind.values())}}
        yield at | {"name": "bytes by kind", "args": by_kind}


def _peak(memory: MemoryUse, cwd: str) -> Iterator[dict[str, Any]]:
    """The highest moment of the curve, with what is known of the peak."""
    peak = memory.peak
    if peak is None or not memory.curve:
        return
    highest = max(memory.curve, key=lambda moment: sum(moment.kinds.values()))
    yield {
        "ph": "i",
        "s": "p",
        "cat": "peak",
        "name": f"peak {size_text(peak.size)}",
        "pid": _PROCESS,
        "tid": _PHASES,
        "ts": _microseconds(highest.seconds),
        "args": dict(_told(peak, cwd)),
    }


def _told(peak: MemoryPeak, cwd: str) -> Iterable[tuple[str, Any]]:
    yield "bytes", peak.size
    yield "when", PHASES[peak.phase]
    if peak.location is not None:
        yield "line", _line(peak.location, cwd)
    if peak.module:
        yield "module", printable(peak.module)
    if peak.op:
        yield "op", printable(peak.op)


def _line(location: Location, cwd: str) -> str:
    return printable(f"{short_path(location.path, cwd)}:{location.line}".replace(os.sep, "/"))


def _about(report: Report, memory: MemoryUse) -> dict[str, Any]:
    return {
        **report.environment,
        "torch": report.recording.torch_version,
        "command": printable(f"gradscope {report.command} {report.target}"),
        "device of the run": printable(memory.device),
        "clock": _FAKE_CLOCK if memory.is_fake else _CLOCK,
        "curve": "of every stretch of time the moment at which most was alive",
        "not seen": [printable(each) for each in report.recording.not_seen],
    }


def _microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 3)
