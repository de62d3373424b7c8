"""Report -> picture: the graph of one backward of a program, judged, and drawn in a format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.environment import environment
from gradscope.errors import UsageError
from gradscope.facts import Recording
from gradscope.judging import judged
from gradscope.report import Report
from gradscope.reporters import pictures
from gradscope.reporters.pictures import Part
from gradscope.reporters.redaction import redact as redacted
from gradscope.silence import Silencer


def report_on(
    recording: Recording,
    target: str,
    number: int,
    view: View | None = None,
    select: Iterable[str] = (),
    silencers: Sequence[Silencer] = (),
) -> Report:
    """Judges a recording for its graph, that of the backward pass `number`.

    Raises UsageError where the program ran backwards, but not as many. `select` names rules that exist.
    """
    count = recording.backward_passes
    if recording.graph is None and 0 < count < number:
        passes = "1 backward pass was" if count == 1 else f"{count:,} backward passes were"
        raise UsageError(
            f"--backward {number}: only {passes} run, so there is no graph of it",
            try_next=f"--backward {count}",
        )
    report = judged("graph", target, recording, environment(), select, silencers)
    return report if view is None else replace(report, view=view)


def picture(
    report: Report, format_name: str, *, torchviz_style: bool = False, redact: bool = False
) -> tuple[Part, ...]:
    """The files of the picture of a report's graph, which must be there.

    Raises PictureError where it cannot be drawn here, and UsageError where the view names what the graph
    does not have.
    """
    cwd = os.getcwd()
    report = redacted(report, cwd) if redact else report
    assert report.recording.graph is not None
    if torchviz_style:
        from gradscope.torchviz_style import torchviz_picture

        return torchviz_picture(report.recording.graph, format_name)
    return pictures.format_named(format_name).render(subject_of(report, cwd), report.view)


def subject_of(report: Report, cwd: str) -> Subject:
    """What is drawn of a report: its graph, and what its findings say about it."""
    recording = report.recording
    assert recording.graph is not None
    return Subject(recording.graph, report.findings, report.target, cwd, recording.severed)
