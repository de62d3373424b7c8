"""The findings of all targets of a gate, each once: two programs that share a model share its faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from gradscope.finding import Finding
from gradscope.outcomes import GateReport, Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, the first outcome that has it, and the names of all targets that do.

    It is as severe as in the target where it is worst.
    """

    finding: Finding
    outcome: Outcome
    targets: tuple[str, ...]


def distinct_findings(gate: GateReport) -> list[Found]:
    """The findings in the order of the outcomes; of several targets those with one rule, place and message
    are one. Those without a place are each target's own.
    """
    found: dict[object, Found] = {}
    for number, outcome in enumerate(gate.outcomes):
        seen = Counter[object]()
        for finding in outcome.report.findings if outcome.report is not None else ():
            place = finding.location if finding.location is not None else number
            key = (finding.code, place, finding.message)
            seen[key] += 1
            own = (key, seen[key])  # what one target has twice is not one
            known = found.get(own)
            found[own] = (
                Found(finding, outcome, (outcome.name,)) if known is None else _also(known, finding, outcome)
            )
    return list(found.values())


def _also(known: Found, finding: Finding, outcome: Outcome) -> Found:
    severity = max(known.finding.severity, finding.severity, key=lambda one: one.rank)
    worst = replace(known.finding, severity=severity)
    return replace(known, finding=worst, targets=(*known.targets, outcome.name))
