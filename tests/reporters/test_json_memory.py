"""The memory of a run in the JSON report: every fact, in tables that pandas takes up as they are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import msgspec
import pytest

from gradscope.facts import MemoryKind, MemoryPhase, MemoryUse, Moment
from gradscope.facts import memory as facts
from gradscope.report import Report
from gradscope.reporters import schema_v1_memory as v1
from gradscope.reporters.schema_v1 import Report as ReportV1

from .memory_examples import (
    GIB,
    MIB,
    gpt_memory,
    memory_crash,
    memory_cuda,
    memory_empty,
    memory_failures,
    memory_fake,
    memory_floor,
    memory_gpt,
    memory_hostile,
    memory_script,
    memory_sweep,
    report,
)
from .rendering import json_text
from .samples_lessons import chain_rule
from .test_json_report import SCHEMA, strictly

ALL = (
    memory_gpt,
    memory_script,
    memory_cuda,
    memory_floor,
    memory_fake,
    memory_sweep,
    memory_failures,
    memory_hostile,
    memory_empty,
    memory_crash,
)


def written(of: Report, *, redact: bool = False) -> Any:
    return strictly(json_text(of, redact=redact))["memory"]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("sample", ALL)
def test_reports_are_valid(sample: Callable[[], Report], redact: bool) -> None:
    whole = strictly(json_text(sample(), redact=redact))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(whole)
    msgspec.convert(whole, ReportV1)


def test_it_stands_beside_the_findings() -> None:
    assert strictly(json_text(memory_crash()))["memory"] is None
    assert strictly(json_text(memory_crash()))["findings"]
    assert strictly(json_text(chain_rule()))["memory"] is None
    assert strictly(json_text(memory_empty()))["memory"]["peak"] is None


def test_the_peak_is_one_of_the_peaks() -> None:
    memory = written(memory_script())
    assert memory["peak"] in memory["peaks"]
    assert memory["peak"]["bytes"] == sum(memory["peak"]["kinds"].values())
    assert memory["peak"]["location"]["path"] == "train.py"
    assert [each["phase"] for each in memory["peaks"]] == ["outside", "forward", "backward", "optimizer"]
    assert memory["peak"]["kinds"]["optimizer_state"] == memory["optimizer_state"] == int(85.3 * MIB)


def test_the_curve_is_a_flat_table_with_a_row_a_line() -> None:
    text = json_text(memory_gpt())
    memory = strictly(text)["memory"]
    assert len(memory["curve"]) == 96
    assert list(memory["curve"][0]) == [
        "seconds",
        "phase",
        "parameters",
        "buffers",
        "inputs",
        "gradients",
        "optimizer_state",
        "saved",
        "temporary",
    ]
    rows = [line for line in text.splitlines() if line.strip().startswith('{"seconds"')]
    assert len(rows) == 96
    highest = max(memory["curve"], key=lambda row: sum(row[kind] for kind in list(row)[2:]))
    assert {kind: highest[kind] for kind in memory["peak"]["kinds"]} == memory["peak"]["kinds"]


def test_strategies_plan_and_floor() -> None:
    memory = written(memory_gpt())
    assert [each["kind"] for each in memory["strategies"]] == [
        "none",
        "every block",
        "every second block",
        "selective",
        "plan",
    ]
    assert memory["plan"]["strategy"] == memory["strategies"][4]
    assert memory["recommended"] == "plan"
    assert memory["strategies"][4]["choices"] == ["block"] * 7 + ["selective"] * 3 + ["none"] * 2
    assert memory["code"].startswith("from functools")
    floor = written(memory_floor())["plan"]
    assert (floor["budget"], floor["strategy"]) == (2 * GIB, None)
    assert floor["floor_kinds"]["temporary"] == 1_924 * MIB


def test_a_difference_that_is_no_number_survives_as_a_word() -> None:
    assert written(memory_hostile())["plan"]["strategy"]["largest_difference"] == "NaN"


def test_a_time_ratio_without_bounds_is_a_word() -> None:
    memory = gpt_memory()
    endless = replace(memory.strategies[0], largest_difference=float("inf"))
    found = written(report(replace(memory, strategies=(endless,))))
    assert found["strategies"][0]["largest_difference"] == "Infinity"


def test_the_allocator_says_how_fragmented_it_was() -> None:
    allocator = written(memory_cuda())["allocator"]
    assert allocator["fragmentation"] == pytest.approx(1 - 14.72 / 17.4, abs=1e-3)
    assert allocator["retries"] == 2


FACTS = (
    facts.MemoryPeak,
    facts.ModuleMemory,
    facts.LineMemory,
    facts.SavedAt,
    facts.UnusedGraph,
    facts.AllocatorUse,
    facts.Block,
    facts.Strategy,
    facts.Plan,
    facts.SweepPoint,
    facts.Sweep,
    facts.MemoryUse,
)
SHAPES = (
    v1.MemoryPeak,
    v1.MemoryModule,
    v1.MemoryLine,
    v1.MemoryTensor,
    v1.UnusedGraph,
    v1.Allocator,
    v1.MemoryBlock,
    v1.Strategy,
    v1.Plan,
    v1.SweepPoint,
    v1.Sweep,
    v1.Memory,
)
OWN = {"peak", "fragmentation"}
"""What the shapes have beyond the facts' fields: properties of theirs."""


@pytest.mark.parametrize(("fact", "shape"), list(zip(FACTS, SHAPES, strict=True)))
def test_every_fact_is_in_the_report(fact: Any, shape: Any) -> None:
    known = {"size": "bytes"}
    fields = {known.get(each.name, each.name) for each in dataclasses.fields(fact)}
    assert fields == set(shape.__struct_fields__) - (OWN - fields)


def numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)
    elif isinstance(value, int):
        yield value


def test_every_kind_and_phase_is_named() -> None:
    kinds = {kind: 10**index for index, kind in enumerate(MemoryKind)}
    peaks = tuple(facts.MemoryPeak(1_111_111, phase, kinds) for phase in MemoryPhase)
    memory = MemoryUse("cpu", peaks, curve=(Moment(0.5, MemoryPhase.OUTSIDE, kinds),))
    found = written(report(memory))
    for peak in found["peaks"]:
        assert list(peak["kinds"].values()) == [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
    assert list(found["curve"][0].values())[2:] == list(found["peaks"][0]["kinds"].values())
