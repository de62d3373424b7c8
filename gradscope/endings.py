"""Whether a finding explains why the program ended as it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TypeAlias

from gradscope.facts import (
    InplaceConflict,
    InplaceRefused,
    MissingGraph,
    NonleafGradRead,
    Rebinding,
    Recording,
    SecondBackward,
)
from gradscope.finding import Finding, Location
from gradscope.report import Report


def is_explained(report: Report) -> bool:
    """Whether a finding, shown or silenced, lies on what ended the program."""
    ended = _ending_places(report.recording)
    told = [*report.findings, *(silenced.finding for silenced in report.suppressed)]
    findings = [*told, *(consequence for finding in told for consequence in finding.consequences)]
    return any(
        finding.evidence.get("ended_program") is True or _touches(finding, ended) for finding in findings
    )


_CanEnd: TypeAlias = (
    MissingGraph | Rebinding | NonleafGradRead | InplaceConflict | InplaceRefused | SecondBackward
)


def _ending_places(recording: Recording) -> set[tuple[str, int]]:
    facts: tuple[_CanEnd, ...] = (
        *recording.missing_graphs,
        *recording.rebindings,
        *recording.nonleaf_grad_reads,
        *recording.inplace_conflicts,
        *recording.inplace_refused,
        *recording.second_backwards,
    )
    return {place.at for fact in facts if fact.ended_program for place in _locations(fact)}


def _locations(fact: object) -> Iterator[Location]:
    if isinstance(fact, Location):
        yield fact
    elif isinstance(fact, tuple):
        for part in fact:
            yield from _locations(part)
    elif is_dataclass(fact):
        for field in fields(fact):
            yield from _locations(getattr(fact, field.name))


def _touches(finding: Finding, places: set[tuple[str, int]]) -> bool:
    return finding.location is not None and finding.location.at in places
