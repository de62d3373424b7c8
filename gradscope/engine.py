"""Runs the rules on a recording: selects, merges, folds consequences into causes, silences, sorts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Location, Note
from gradscope.report import Suppressed
from gradscope.rules import all_rules
from gradscope.rules._causes import cause_of
from gradscope.rules._errors import explain_error

_COMMENT = re.compile(r"#\s*gradscope:\s*ignore(?:\s*\[([^\]]*)\])?", re.IGNORECASE)


def judge(
    recording: Recording, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """The findings of a recording, worst first, and those that were silenced.

    `select` and `ignore` name rules by code, by the beginning of a code ("GS4") or by slug; an empty
    `select` is every rule. What is ignored or silenced by a comment in the source is silenced together
    with the consequences folded into it. Raises `ValueError` for a name that matches no rule.
    """
    wanted = resolve_codes(select) or set(all_rules())
    ignored = {code: name for name in ignore for code in resolve_codes([name])}
    found = [
        finding for code, rule in all_rules().items() if code in wanted for finding in rule.check(recording)
    ]
    shown: list[Finding] = []
    suppressed: list[Suppressed] = []
    for finding in fold(merge(found), recording):
        by = f"--ignore {ignored[finding.code]}" if finding.code in ignored else _inline(finding, recording)
        if by is not None:
            suppressed.append(Suppressed(finding, by))
            continue
        kept = []
        for consequence in finding.consequences:
            by = _inline(consequence, recording)
            if by is None:
                kept.append(consequence)
            else:
                suppressed.append(Suppressed(consequence, by))
        shown.append(_with_consequences(finding, kept))
    return tuple(sorted(shown, key=_order)), tuple(suppressed)


def resolve_codes(names: Iterable[str]) -> set[str]:
    """The codes of all rules that these names mean: codes, beginnings of codes, slugs, in any case.

    Raises `ValueError` for a name that means none, with the nearest names that do.
    """
    found: set[str] = set()
    for name in names:
        codes = _codes(name)
        if not codes:
            known = [*all_rules(), *(rule.slug for rule in all_rules().values())]
            close = difflib.get_close_matches(name.strip(), known, n=3, cutoff=0.5)
            close = close or difflib.get_close_matches(name.strip().upper(), known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(close)}?" if close else "; see gradscope explain --list"
            raise ValueError(f"no rule is called {name!r}{hint}")
        found |= codes
    return found


def _codes(name: str) -> set[str]:
    wanted = name.strip().casefold()
    return {
        code
        for code, rule in all_rules().items()
        if wanted == rule.slug or (wanted.startswith("gs") and code.casefold().startswith(wanted))
    }


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


def fold(findings: list[Finding], recording: Recording) -> list[Finding]:
    """The causes, each with the findings that it explains, directly or through others."""
    parents = {index: cause_of(index, findings, recording) for index in range(len(findings))}
    explained: dict[int, list[Finding]] = {}
    for index, finding in enumerate(findings):
        root = _root(index, parents)
        if root != index:
            explained.setdefault(root, []).append(finding)
    return [
        _with_consequences(finding, explained.get(index, []))
        for index, finding in enumerate(findings)
        if _root(index, parents) == index
    ]


def _root(index: int, parents: dict[int, int | None]) -> int:
    """The last cause of the causes; two findings that explain each other have the first as theirs."""
    seen = [index]
    while (parent := parents[seen[-1]]) is not None:
        if parent in seen:
            return min(seen[seen.index(parent) :])
        seen.append(parent)
    return seen[-1]


def _with_consequences(finding: Finding, consequences: list[Finding]) -> Finding:
    severities = [finding.severity, *(one.severity for one in consequences)]
    worst = max(severities, key=lambda severity: severity.rank)
    return replace(finding, severity=worst, consequences=tuple(consequences))


# ---------------------------------------------------------------- silence and order


def _inline(finding: Finding, recording: Recording) -> str | None:
    """ "inline comment" where a line that the finding names says so."""
    locations = [finding.location, *(related.location for related in finding.related)]
    silenced = any(
        finding.code in _ignored_on(line) for where in locations if where for line in _lines(where, recording)
    )
    return "inline comment" if silenced else None


def _lines(location: Location, recording: Recording) -> tuple[str, ...]:
    source = recording.sources.get(location.path, ())
    return tuple(source[location.line - 1 : max(location.end_line or 0, location.line)])


def _ignored_on(line: str) -> set[str]:
    found: set[str] = set()
    for match in _COMMENT.finditer(line):
        if match.group(1) is None:
            return set(all_rules())
        for name in match.group(1).split(","):
            found |= _codes(name)
    return found


def _order(finding: Finding) -> tuple[int, int, str, tuple[str, int]]:
    place = finding.location.at if finding.location else ("", 0)
    return (-finding.severity.rank, _CONFIDENCE.index(finding.confidence), finding.code, place)
