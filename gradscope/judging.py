"""Recording -> Report: judged, and explained. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gradscope.engine import judge, notes
from gradscope.facts import Recording
from gradscope.report import Report
from gradscope.silence import Silencer, mistyped_comments


def judged(
    command: str,
    target: str,
    recording: Recording,
    environment: Mapping[str, str],
    select: Iterable[str] = (),
    silencers: Sequence[Silencer] = (),
) -> Report:
    """The report of a command. `select` names rules as the command line does; they must exist."""
    findings, suppressed = judge(recording, select, silencers)
    explained = replace(recording, notes=(*notes(recording), *mistyped_comments(findings, recording)))
    return Report(command, target, findings, explained, suppressed, dict(environment))
