"""What the Python interface hands back: a report that can be read, shown and written."""

from __future__ import annotations

import io
import sys
from abc import ABC, abstractmethod
from typing import TextIO

from gradscope import reporters
from gradscope.facts import Recording
from gradscope.finding import Finding
from gradscope.report import Report


class Reported(ABC):
    """Something that has a report. `print` of it shows the text report."""

    @property
    @abstractmethod
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them."""

    @property
    def recording(self) -> Recording:
        """What was measured."""
        return self.report.recording

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was judged, the most certain and most harmful first."""
        return self.report.findings

    def show(self, out: TextIO | None = None, *, width: int | None = None) -> None:
        """Writes the text report to `out`, by default to `sys.stdout`, in colour on a terminal."""
        reporters.render("text", self.report, sys.stdout if out is None else out, width=width)

    def json(self, *, redact: bool = False) -> str:
        """The report as JSON text, in the shape of `gradscope trace --format json`, or of `check`."""
        out = io.StringIO()
        reporters.render("json", self.report, out, redact=redact)
        return out.getvalue()

    def __str__(self) -> str:
        out = io.StringIO()
        reporters.render("text", self.report, out, color=False)
        return out.getvalue().rstrip("\n")
