"""SARIF reportingDescriptors: the rules that occur, with their pages, and the kinds of trouble."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gradscope.finding import Finding, Severity
from gradscope.outcomes import TroubleKind
from gradscope.rules import Rule, all_rules

LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
"""What SARIF calls severities."""

_PROBLEM: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
_FAMILIES: Final = {
    "GS1": "gradient-flow",
    "GS2": "in-place",
    "GS3": "graph-lifetime",
    "GS4": "numerics",
    "GS5": "training-loop",
    "GS6": "custom-function",
    "GS7": "checkpointing",
    "GS8": "distributed",
    "GS9": "limits",
}
_TROUBLES: Final = {
    TroubleKind.HUNG: "The target did not end within its time limit, and was stopped.",
    TroubleKind.CRASHED: "The target's process was ended by a signal, or ended itself without a report.",
    TroubleKind.OUT_OF_MEMORY: "The target needed more memory than there was, or than it may have.",
    TroubleKind.PROGRAM_FAILED: "The program raised, or ended with another status than was expected of it, "
    "and no finding explains it.",
    TroubleKind.NOT_RUN: "There is no such target, or it cannot be run as it is stated.",
    TroubleKind.NOTHING_CHECKED: "Nothing was checked: no backward ran, or no function was met.",
    TroubleKind.EXPECTED_MISSING: "A finding that the configuration expects did not occur.",
    TroubleKind.FAULT: "gradscope itself failed.",
    TroubleKind.INTERRUPTED: "The run was interrupted.",
}
_LONGEST_DESCRIPTION: Final = 1_024  # characters: GitHub shows no more


def descriptors(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The rules of the findings, by code."""
    slugs = {finding.code: finding.rule for finding in findings}
    known = all_rules()
    return [
        _descriptor(known[code]) if code in known else {"id": code, "name": _name(slug)}
        for code, slug in sorted(slugs.items())
    ]


def trouble_descriptors(kinds: Iterable[TroubleKind]) -> list[dict[str, Any]]:
    """What keeps a target from being judged, as far as it occurred."""
    occurred = set(kinds)
    return [_trouble(kind, text) for kind, text in _TROUBLES.items() if kind in occurred]


def _trouble(kind: TroubleKind, text: str) -> dict[str, Any]:
    return {
        "id": trouble_id(kind),
        "name": _name(trouble_id(kind)),
        "shortDescription": {"text": f"Target not judged: {kind.value}."},
        "fullDescription": {"text": text},
        "help": {"text": text},
        "defaultConfiguration": {"level": "error"},
    }


def trouble_id(kind: TroubleKind) -> str:
    """The id of the descriptor of a kind of trouble."""
    return f"target-{kind.value.replace(' ', '-')}"


def _name(slug: str) -> str:
    """severed-gradient as SeveredGradient."""
    return "".join(part[:1].upper() + part[1:] for part in slug.split("-"))


def _descriptor(rule: Rule) -> dict[str, Any]:
    sections = dict(_sections(rule.page))
    finds = _joined(sections.get("What it finds", ""))
    return {
        "id": rule.code,
        "name": _name(rule.slug),
        "shortDescription": {"text": _cut(rule.summary)},
        "fullDescription": {"text": _cut(finds or rule.summary)},
        "help": {"text": rule.page, "markdown": _markdown(rule)},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {
            "tags": ["correctness", "pytorch", _FAMILIES.get(rule.code[:3], "gradients")],
            "precision": "high",
            "problem.severity": _PROBLEM[rule.severity],
        },
    }


def _sections(page: str) -> Iterator[tuple[str, str]]:
    """The headings of a page behind its summary, each with its text, dedented."""
    heading, lines = "", list[str]()
    for line in page.splitlines()[1:]:
        if line and not line[0].isspace():
            if heading:
                yield heading, textwrap.dedent("\n".join(lines)).strip("\n")
            heading, lines = line.strip(), []
        else:
            lines.append(line)
    if heading:
        yield heading, textwrap.dedent("\n".join(lines)).strip("\n")


def _markdown(rule: Rule) -> str:
    parts = [f"# {rule.code} {rule.slug}", rule.summary]
    for heading, text in _sections(rule.page):
        parts += [f"## {heading}", text]
    return "\n\n".join(part for part in parts if part)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    """The text, no longer than GitHub shows it."""
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    return text[: _LONGEST_DESCRIPTION - 4].rpartition(" ")[0] + " ..."
