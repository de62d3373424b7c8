"""Findings that were silenced. They are listed in the run's properties and not among its results.

SARIF has `suppressions` for results that are not to be looked at, but GitHub opens an alert for every result,
suppressed or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradscope.outcomes import Outcome
from gradscope.reporters.sarif_log.places import artifact
from gradscope.reporters.sarif_log.rules import LEVELS
from gradscope.reporters.target_files import finding_place


def silenced(outcome: Outcome, cwd: str) -> Iterator[dict[str, Any]]:
    """What the target has of them; `kind` and `justification` are those of a SARIF suppression."""
    for each in outcome.report.suppressed if outcome.report is not None else ():
        where = finding_place(each.finding, outcome)
        yield {
            "ruleId": each.finding.code,
            "level": LEVELS[each.finding.severity],
            "message": each.finding.message,
            "target": outcome.target,
            "location": {**artifact(where.path, cwd), "startLine": max(where.line, 1)},
            "kind": "inSource" if each.by == "inline comment" else "external",
            "justification": each.by,
        }
