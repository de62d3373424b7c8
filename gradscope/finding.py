"""The words that facts, rules and reporters share: where something is, and what was judged about it.

A *fact* is measured (`gradscope.facts`); a *finding* is judged by a rule from facts. Nothing here
imports torch, so findings can be built, compared and printed anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Evidence: TypeAlias = Mapping[str, str | int | float | bool | list[str] | list[int] | list[float] | None]


class Severity(StrEnum):
    """How much a finding matters; `ERROR` is the highest."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """2 for an error, 1 for a warning, 0 for information: higher is worse."""
        return {"error": 2, "warning": 1, "info": 0}[self.value]


class Confidence(StrEnum):
    """`CERTAIN` where the facts leave no other reading, `PROBABLE` where a step was inferred."""

    CERTAIN = "certain"
    PROBABLE = "probable"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the program: one expression, in one function, in one module's forward.

    `path` is absolute as the interpreter knows it (reporters shorten it); `line` and `column` are
    1-based, columns count characters; `end_column` is exclusive. `function` is the qualified name,
    `module` the dotted path of the `nn.Module` whose forward was running ("" for the root itself,
    None outside any module).
    """

    path: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    function: str | None = None
    module: str | None = None

    @property
    def at(self) -> tuple[str, int]:
        """The path and line: what two findings on one line have in common."""
        return (self.path, self.line)


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that takes part in a finding, with what happened there."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """A labelled paragraph under a finding, such as `because` or `spread`."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, judged.

    `label` is the short text under the primary location in a code frame. `related` places are
    ordered, the most telling first. `count` is how often the same cause was seen. `consequences`
    are findings that this one explains; they are shown with it, never beside it.
    """

    code: str
    rule: str
    severity: Severity
    message: str
    location: Location | None = None
    confidence: Confidence = Confidence.CERTAIN
    label: str = ""
    subjects: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    notes: tuple[Note, ...] = ()
    evidence: Evidence = field(default_factory=dict)
    fix: str = ""
    count: int = 1
    consequences: tuple[Finding, ...] = ()
