"""What a command hands to a reporter: the findings, what silenced others, and the facts behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradscope.autograd_graph.drawing import View
from gradscope.facts import Recording
from gradscope.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that was silenced, and by what (`--ignore`, an inline comment, a baseline)."""

    finding: Finding
    by: str


@dataclass(frozen=True, slots=True)
class Report:
    """One command's result. `target` is as the user typed it.

    `redacted` says that source text, values and absolute paths were taken out: a norm or a loss of
    such a report means nothing, and no format shows it. `view` is what of the graph is to be shown.
    `fail_on` is the severity from which on a finding fails the command, None where none does.
    """

    command: str
    target: str
    findings: tuple[Finding, ...]
    recording: Recording
    suppressed: tuple[Suppressed, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    redacted: bool = False
    view: View = field(default_factory=View)
    fail_on: Severity | None = Severity.ERROR

    def worst(self) -> Severity | None:
        """The highest severity among the findings, None where there are none."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=None)
