"""SARIF results: one for each finding that is not silenced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from gradscope.finding import Confidence, Finding, Location, Severity
from gradscope.reporters.distinct_findings import Found
from gradscope.reporters.sarif_log.flows import code_flows
from gradscope.reporters.sarif_log.places import Places
from gradscope.reporters.sarif_log.rules import LEVELS
from gradscope.reporters.target_files import finding_place

FINGERPRINT: Final = "gradscope/v1"
"""The name of our fingerprint. GitHub's `upload-sarif` adds its own, primaryLocationLineHash."""

_LINE_HASH: Final = "primaryLocationLineHash"
_MOST_RELATED: Final = 100  # places: GitHub shows no more
_LONGEST_MESSAGE: Final = 4_000  # characters
_PRECISIONS: Final = {Confidence.CERTAIN: "very-high", Confidence.PROBABLE: "medium"}
_RANKS: Final = {Severity.ERROR: 90.0, Severity.WARNING: 60.0, Severity.INFO: 30.0}
_PROBABLE: Final = 20.0  # by how much a probable finding ranks below a certain one
_LINK: Final = re.compile(r"\](?=\()")


def result(one: Found, *, rule_index: int, fingerprint: str, is_new: bool, cwd: str) -> dict[str, Any]:
    """The `result` of a finding. One without a place is put on the first line of what was run: a server that
    takes no result without a file then takes it, and says so in its properties.
    """
    finding, outcome = one.finding, one.outcome
    assert outcome.report is not None
    recording = outcome.report.recording
    places = Places(cwd, recording.sources)
    related = _related(finding)
    fingerprints = {FINGERPRINT: fingerprint}
    if finding.location is None:  # else all of them on one line would be taken for one
        fingerprints[_LINE_HASH] = fingerprint
    made: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": LEVELS[finding.severity],
        "message": {"text": _message(finding, related)},
        "locations": [places.location(finding_place(finding, outcome), finding.label)],
        "partialFingerprints": fingerprints,
        "occurrenceCount": max(finding.count, 1),
        "rank": _rank(finding),
        "properties": _properties(one),
    }
    if related:
        numbered = enumerate(related, 1)
        made["relatedLocations"] = [
            places.location(where, text, number) for number, (where, text) in numbered
        ]
    flows = code_flows(finding, recording, places)
    if flows:
        made["codeFlows"] = flows
    if is_new:
        made["baselineState"] = "new"
    return made


def _rank(finding: Finding) -> float:
    """From 0 to 100, the most important first."""
    return _RANKS[finding.severity] - (_PROBABLE if finding.confidence is Confidence.PROBABLE else 0.0)


def _properties(one: Found) -> dict[str, Any]:
    finding = one.finding
    made: dict[str, Any] = {
        "targets": list(one.targets),
        "command": one.outcome.command,
        "confidence": finding.confidence.value,
        "precision": _PRECISIONS[finding.confidence],
        "subjects": list(finding.subjects),
        "evidence": dict(finding.evidence),
        "fix": finding.fix,
    }
    if finding.location is None:
        made["location"] = "not known: the first line of what was run stands for it"
    return made


def _related(finding: Finding) -> list[tuple[Location, str]]:
    """The finding's other places, and those of what it explains, each with what happened there."""
    related = [(one.location, one.message) for one in finding.related]
    explained = [(one.location, _explained(one)) for one in finding.consequences if one.location is not None]
    return [*related, *explained][:_MOST_RELATED]


def _explained(consequence: Finding) -> str:
    return f"it explains {consequence.code}: {consequence.message}"


def _message(finding: Finding, related: Sequence[tuple[Location, str]]) -> str:
    """What is wrong, and in further lines why, where else, and what to do.

    The other places are links to `relatedLocations`: GitHub shows no place that is not linked.
    """
    count = f" (seen {finding.count:,} times)" if finding.count > 1 else ""
    lines = [f"{_plain(finding.message)}{count}."]
    lines += [f"{_plain(note.heading)}: {_plain(note.text)}" for note in finding.notes]
    if related:
        links = (f"[{_link_text(text)}]({number})" for number, (_, text) in enumerate(related, 1))
        lines.append(f"See: {', '.join(links)}.")
    lines += [_plain(_explained(one)) for one in finding.consequences if one.location is None]
    if finding.fix:
        lines.append(f"Fix: {_plain(finding.fix)}")
    text = "\n".join(lines)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE].rpartition(' ')[0]} ..."


def _plain(text: str) -> str:
    """Text in which nothing is taken for a link."""
    return _LINK.sub(r"\\]", text)


def _link_text(text: str) -> str:
    joined = " ".join(text.split()) or "here"
    return joined.replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]")
