"""Runs the rules on a recording: selects, merges, folds consequences into causes, silences, sorts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Note
from gradscope.report import Suppressed
from gradscope.rule_names import codes_of, rule_names
from gradscope.rules import all_rules
from gradscope.rules._causes import cause_of
from gradscope.rules._errors import explain_error
from gradscope.silence import Silencer, by_comment

Caused: TypeAlias = tuple[Finding, list[Finding]]  # a cause, and the findings that it explains


def judge(
    recording: Recording, select: Iterable[str] = (), silencers: Sequence[Silencer] = ()
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """The findings of a recording, worst first, and those that were silenced.

    `select` names rules by code, by the beginning of a code ("GS4") or by slug; empty, it is every rule.
    Comments in the source silence first, then the `silencers` in their order. A cause is silenced together
    with the consequences folded into it. Raises UsageError for a name that matches no rule.
    """
    wanted = {code for name in rule_names("select", select) for code in codes_of(name)}
    found = [
        finding
        for code, rule in all_rules().items()
        if code in wanted or not wanted
        for finding in rule.check(recording)
    ]
    shown: list[Finding] = []
    suppressed: list[Suppressed] = []

    def is_silenced(finding: Finding) -> bool:
        answers = (silencer(finding, recording) for silencer in (by_comment, *silencers))
        by = next((answer for answer in answers if answer is not None), None)
        if by is not None:
            suppressed.append(Suppressed(finding, by))
        return by is not None

    for cause, consequences in sorted(fold(merge(found), recording), key=_line):
        if not is_silenced(with_consequences(cause, consequences)):
            kept = [one for one in consequences if not is_silenced(one)]
            shown.append(with_consequences(cause, kept))
    return tuple(sorted(shown, key=_order)), tuple(suppressed)


def notes(recording: Recording) -> tuple[str, ...]:
    """The recording's explanations, and a word on the gradient error that ended the program, if one did."""
    explained = explain_error(recording)
    return (*recording.notes, explained) if explained else recording.notes


# ---------------------------------------------------------------- one cause, one finding


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of one rule on one line as one, in the order of the first; counts are added up."""
    merged: dict[object, Finding] = {}
    for finding in findings:
        key = (finding.code, finding.location.at if finding.location else finding.message)
        known = merged.get(key)
        merged[key] = finding if known is None else _joined(known, finding)
    return list(merged.values())


def _joined(first: Finding, second: Finding) -> Finding:
    related = {(one.location.at, one.message): one for one in (*second.related, *first.related)}
    modules = _modules(first) | _modules(second)
    notes = [
        *first.notes,
        *(note for note in second.notes if note.heading not in {n.heading for n in first.notes}),
    ]
    if second.message != first.message and len(notes) < _MOST_NOTES:
        notes.append(Note("also", second.message))
    return replace(
        first,
        severity=max(first.severity, second.severity, key=lambda severity: severity.rank),
        confidence=min(first.confidence, second.confidence, key=_CONFIDENCE.index),
        subjects=tuple(dict.fromkeys((*first.subjects, *second.subjects))),
        related=tuple(
            related.pop((one.location.at, one.message))
            for one in (*first.related, *second.related)
            if (one.location.at, one.message) in related
        ),
        notes=tuple(notes),
        evidence={
            **second.evidence,
            **first.evidence,
            **({"modules": sorted(modules)} if len(modules) > 1 else {}),
        },
        count=first.count + second.count,
    )


_MOST_NOTES = 6
_CONFIDENCE = [Confidence.CERTAIN, Confidence.PROBABLE]


def _modules(finding: Finding) -> set[str]:
    known = finding.evidence.get("modules")
    if isinstance(known, list):
        return {str(module) for module in known}
    module = finding.location.module if finding.location else None
    return {module} if module is not None else set()


def fold(findings: list[Finding], recording: Recording) -> list[Caused]:
    """The causes, each with the findings that it explains, directly or through others."""
    parents = {index: cause_of(index, findings, recording) for index in range(len(findings))}
    roots = {index: _root(index, parents) for index in parents}
    explained: dict[int, list[Finding]] = {index: [] for index in roots.values()}
    for index, root in roots.items():
        if root != index:
            explained[root].append(findings[index])
    return [(findings[index], explained[index]) for index in sorted(explained)]


def _root(index: int, parents: dict[int, int | None]) -> int:
    """The last cause of the causes; two findings that explain each other have the first as theirs."""
    seen = [index]
    while (parent := parents[seen[-1]]) is not None:
        if parent in seen:
            return min(seen[seen.index(parent) :])
        seen.append(parent)
    return seen[-1]


def with_consequences(finding: Finding, consequences: Sequence[Finding]) -> Finding:
    """The finding with what it explains, as severe as the worst of them."""
    severities = [finding.severity, *(one.severity for one in consequences)]
    worst = max(severities, key=lambda severity: severity.rank)
    return replace(finding, severity=worst, consequences=tuple(consequences))


# ---------------------------------------------------------------- order


def _line(caused: Caused) -> tuple[str, int, str]:
    finding = caused[0]
    place = finding.location.at if finding.location else ("", 0)
    return (*place, finding.code)


def _order(finding: Finding) -> tuple[int, int, str, tuple[str, int]]:
    place = finding.location.at if finding.location else ("", 0)
    return (-finding.severity.rank, _CONFIDENCE.index(finding.confidence), finding.code, place)
