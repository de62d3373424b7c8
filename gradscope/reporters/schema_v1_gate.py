"""The JSON report of a gate, `schema_version` "1". Once released it only grows.

The JSON Schema in `schema-v1-gate.json` is generated from these types.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gradscope.reporters.schema_v1_places import Location


class Trouble(msgspec.Struct, frozen=True):
    """Why a target could not be judged, or not by its findings alone. `details` are lines of text."""

    kind: Literal[
        "hung",
        "crashed",
        "out of memory",
        "program failed",
        "not run",
        "nothing checked",
        "expected finding missing",
        "fault in gradscope",
        "interrupted",
    ]
    message: str
    details: list[str]
    location: Location | None


class GradientDrift(msgspec.Struct, frozen=True):
    """A figure of a gradient that left the tolerance; `parameter` "" means the loss. null: no gradient."""

    parameter: str
    figure: str
    before: float | Literal["NaN", "Infinity", "-Infinity"] | None
    now: float | Literal["NaN", "Infinity", "-Infinity"] | None


class Drift(msgspec.Struct, frozen=True):
    """How gradients differ from the baseline's; `tolerance` is relative, `compared` counts figures."""

    tolerance: float
    compared: int
    drifts: list[GradientDrift]
    other_hardware: list[str]
    vanished: list[str]
    new: list[str]


class Target(msgspec.Struct, frozen=True):
    """One target. `report` is that of its command (schema-v1.json), null where nothing was measured.

    `failing` counts the findings for which it failed; `new`, `known` and `fixed` compare with the baseline.
    """

    name: str
    command: str
    target: str
    verdict: Literal["passed", "failed", "broken"]
    seconds: float
    failing: int
    new: int
    known: int
    fixed: list[str]
    trouble: Trouble | None
    drift: Drift | None
    stated_at: Location | None
    report: dict[str, Any] | None


class Gate(msgspec.Struct, frozen=True):
    """All targets in the order of the configuration; `exit_status` is the gate's."""

    schema_version: Literal["1"]
    gradscope: str
    command: Literal["gate"]
    config: str
    baseline: str | None
    redacted: bool
    exit_status: int
    seconds: float
    targets: list[Target]
    notes: list[str]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Gate`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gradscope gate, schema_version 1",
        **msgspec.json.schema(Gate),
    }
