"""Running a target under the recorder, with a progress line where somebody watches."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradscope.facts import Recording
    from gradscope.finding import Finding
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target
    from gradscope.recorder import Progress


def recorded(
    target: Target, options: Options, findings: Callable[[Recording], tuple[Finding, ...]]
) -> Recording:
    """What was recorded of one run of the target. On a terminal, what is found is told on the way."""
    from gradscope.early import EarlyFindings
    from gradscope.progress import ProgressLine
    from gradscope.tracing import trace_target

    if sys.stderr is None or not sys.stderr.isatty():
        return trace_target(target, options)
    hint = target.is_program and options.steps is None
    early = EarlyFindings(findings, os.getcwd())
    with ProgressLine(sys.stderr, hint=hint) as line:

        def watch(progress: Progress) -> None:
            line.announce(early.lines(progress))
            line(progress)

        return trace_target(target, options, watch)
