"""Which checked function or model a finding is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from gradscope.facts import CheckedFunction, CheckedModel
from gradscope.finding import Finding, Location

Subject: TypeAlias = CheckedFunction | CheckedModel


def owners(finding: Finding, subjects: Sequence[Subject]) -> list[int]:
    """The indices of the subjects that a finding is about: several functions may share a backward.

    By the name that the finding's evidence gives and by the place, which is a line of one of the subject's
    own methods; else the last one of the file that begins before it; else by its subjects.
    """
    where = finding.location
    names = (finding.evidence.get("function"), finding.evidence.get("model"))
    named = [i for i, each in enumerate(subjects) if each.name in names]
    here = [] if where is None else [i for i, each in enumerate(subjects) if where.at in _lines(each)]
    if named or here:
        return list(dict.fromkeys((*named, *here)))
    around = _around(where, subjects)
    if around is not None:
        return [around]
    return [i for i, each in enumerate(subjects) if each.name in finding.subjects][:1]


def _lines(subject: Subject) -> set[tuple[str, int]]:
    """The lines that a subject's own methods begin on; a model has those of what is at fault in it."""
    if isinstance(subject, CheckedFunction):
        parts = [subject.backward, subject.forward, subject.jvp, subject.vmap, subject.location]
        return {part.at for part in parts if part is not None}
    lines = {subject.location.at} if subject.location else set()
    if subject.module is not None and subject.module.location is not None:
        lines.add(subject.module.location.at)
    return lines | (_lines(subject.function) if subject.function is not None else set())


def _around(where: Location | None, subjects: Sequence[Subject]) -> int | None:
    if where is None:
        return None
    begins = [
        (each.location.line, index)
        for index, each in enumerate(subjects)
        if each.location and each.location.path == where.path and each.location.line <= where.line
    ]
    return max(begins)[1] if begins else None
