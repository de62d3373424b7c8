"""Findings of a run that is still going on: judged now and then, each told once, as what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Severity
from gradscope.reporters.paths import short_path

_FIRST = 32  # backwards
_FACTOR = 4


class Sight(Protocol):
    """A run in progress."""

    @property
    def backward_passes(self) -> int:
        """Backward passes so far."""

    def recording(self) -> Recording:
        """The facts so far."""


class EarlyFindings:
    """Judges at backwards 32, 128, 512 and so on, and puts new findings into a line each.

    Only errors that are certain and have a line: a warning may look otherwise after the next step. `cwd`
    is what paths are shown relative to.
    """

    def __init__(self, judge: Callable[[Recording], Iterable[Finding]], cwd: str) -> None:
        self._judge = judge
        self._cwd = cwd
        self._next = _FIRST
        self._told: set[tuple[str, tuple[str, int]]] = set()

    def lines(self, run: Sight) -> list[str]:
        """What is new, empty between two judgements."""
        if run.backward_passes < self._next:
            return []
        self._next *= _FACTOR
        return [line for finding in self._judge(run.recording()) if (line := self._line(finding))]

    def _line(self, finding: Finding) -> str | None:
        where = finding.location
        sure = finding.severity is Severity.ERROR and finding.confidence is Confidence.CERTAIN
        if where is None or not sure or (finding.code, where.at) in self._told:
            return None
        self._told.add((finding.code, where.at))
        path = "".join(c if c.isprintable() else "?" for c in short_path(where.path, self._cwd))
        return f"gradscope, so far: error[{finding.code}] {finding.rule} at {path}:{where.line}"
