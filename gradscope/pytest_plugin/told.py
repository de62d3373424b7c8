"""What a test tells the end of the run: plain values, which xdist carries from a worker to its controller."""

from __future__ import annotations

import base64
import pickle
from dataclasses import replace
from typing import Final, TypedDict

from gradscope.errors import printable
from gradscope.facts import Recording
from gradscope.report import Report

ATTRIBUTE: Final = "gradscope"
"""The attribute of a pytest report that carries what is Told: xdist hands such attributes on."""


class ToldFinding(TypedDict):
    """A finding in plain values. `key` is its fingerprint as text: the same for the same cause."""

    key: str
    code: str
    rule: str
    severity: str
    message: str
    at: str
    fails: bool


class Told(TypedDict):
    """What a test tells the summary. `report` is a Report as `packed` makes it, "" where it is not wanted."""

    test: str
    backwards: int
    findings: list[ToldFinding]
    silenced: int
    faults: list[str]
    report: str
    fails: bool


def sendable(text: str, *, lines: bool = False) -> str:
    """The text as UTF-8 can carry it, harmless on a terminal; on one line unless it is made of `lines`."""
    return printable(text if lines else text.replace("\n", "\\n"))


# ---------------------------------------------------------------- carried from a worker to the controller


def packed(report: Report) -> str:
    """A report as ASCII text (base85), with no more of its facts than its findings need."""
    recording = report.recording
    bare = Recording(
        program=recording.program,
        device=recording.device,
        torch_version=recording.torch_version,
        ops=recording.ops,
        steps=recording.steps,
        backward_passes=recording.backward_passes,
        leaves=tuple(
            leaf for leaf in recording.leaves if any(leaf.name in each.subjects for each in report.findings)
        ),
        notes=recording.notes,
        not_seen=recording.not_seen,
        sources=recording.sources if report.findings or report.suppressed else {},
    )
    return base64.b85encode(pickle.dumps(replace(report, recording=bare))).decode("ascii")


def unpacked(text: str) -> Report:
    """The report that `packed` made: only ever what a process of the same pytest run has sent."""
    report = pickle.loads(base64.b85decode(text))
    assert isinstance(report, Report)
    return report
