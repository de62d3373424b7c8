"""The memory curve as Chrome's trace events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from gradscope.facts import MemoryKind, MemoryPhase, MemoryUse, Moment
from gradscope.report import Report
from gradscope.reporters.memory_timeline import timeline_of

from .memory_examples import (
    HOSTILE,
    MIB,
    memory_empty,
    memory_fake,
    memory_gpt,
    memory_hostile,
    memory_script,
    report,
)
from .samples import HOME
from .test_json_report import strictly


def events(of: Report, phase: str = "") -> list[dict[str, Any]]:
    found = strictly(timeline_of(of, HOME))["traceEvents"]
    return [event for event in found if not phase or event["ph"] == phase]


@pytest.mark.parametrize("sample", [memory_gpt, memory_script, memory_fake, memory_hostile, memory_empty])
def test_every_report_is_a_trace(sample: Callable[[], Report]) -> None:
    text = timeline_of(sample(), HOME)
    assert text.isascii()
    whole = json.loads(text)
    assert whole["displayTimeUnit"] == "ms"
    for event in whole["traceEvents"]:
        assert event["pid"] == 1
        assert event["name"]
        assert event["ph"] == "M" or event["ts"] >= 0


def test_counters_follow_the_curve() -> None:
    sample = memory_gpt()
    memory = sample.recording.memory
    assert memory is not None
    counters = events(sample, "C")
    by_kind = [event for event in counters if event["name"] == "bytes by kind"]
    alive = [event for event in counters if event["name"] == "bytes alive"]
    assert len(by_kind) == len(alive) == len(memory.curve)
    for moment, kinds, whole in zip(memory.curve, by_kind, alive, strict=True):
        assert kinds["ts"] == whole["ts"] == pytest.approx(moment.seconds * 1e6)
        assert sum(kinds["args"].values()) == whole["args"]["all"] == sum(moment.kinds.values())


def test_a_counter_has_the_same_series_at_every_moment() -> None:
    curve = (
        Moment(0.0, MemoryPhase.FORWARD, {MemoryKind.SAVED: 5}),
        Moment(1.0, MemoryPhase.FORWARD, {MemoryKind.PARAMETER: 3}),
    )
    first, second = [event["args"] for event in events(report(MemoryUse("cpu", (), curve=curve)), "C")][1::2]
    assert first == {"parameters": 0, "saved for backward": 5}
    assert second == {"parameters": 3, "saved for backward": 0}


def test_phases_are_slices_one_after_the_other() -> None:
    slices = events(memory_script(), "X")
    assert [each["name"] for each in slices] == ["forward", "backward", "optimizer"] * 4
    for each, following in itertools.pairwise(slices):
        assert each["ts"] + each["dur"] == pytest.approx(following["ts"])


def test_the_peak_is_marked_where_the_curve_is_highest() -> None:
    (peak,) = events(memory_script(), "i")
    assert peak["name"] == "peak 897 MiB"
    assert peak["args"] == {
        "bytes": 940_677_528,
        "when": "in the forward",
        "line": "train.py:30",
        "module": "ResNet.layer1.0.conv2",
        "op": "aten::convolution",
    }
    highest = max(events(memory_script(), "C"), key=lambda event: event["args"].get("all", 0))
    assert peak["ts"] == highest["ts"]
    assert highest["args"]["all"] // MIB == 897


def test_an_empty_curve_is_an_empty_trace() -> None:
    assert [event["ph"] for event in events(memory_empty())] == ["M", "M"]


def test_the_file_says_what_it_is_of() -> None:
    about = json.loads(timeline_of(memory_hostile(), HOME))["otherData"]
    printable = HOSTILE.replace("\x1b", "\\x1b")
    assert about["command"] == f"gradscope memory {printable}"
    assert about["not seen"] == [printable]
    assert about["torch"] == "2.13.0"
    assert about["clock"] == "monotonic, in microseconds from the start of the recording"
    fake = json.loads(timeline_of(memory_fake(), HOME))["otherData"]
    assert fake["clock"].endswith("on fake tensors no op takes the time that it would")
