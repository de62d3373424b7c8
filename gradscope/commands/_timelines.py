"""What `--timeline` needs of a command: the file, opened before the program runs, and what it says of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from gradscope.errors import UsageError, printable

if TYPE_CHECKING:
    from gradscope.commands._reporting import JudgingValues
    from gradscope.report import Report
    from gradscope.timeline_file import TimelineFile


@contextlib.contextmanager
def timeline_file(typed: str | None, values: JudgingValues) -> Iterator[TimelineFile | None]:
    """The file that `--timeline` names, None without the option; nothing is left of it where the block fails.

    Raises UsageError for a name that another option has, OutputError where it cannot be written.
    """
    if typed is None:
        yield None
        return
    from gradscope.timeline_file import TimelineFile

    others = (values.output, values.baseline, values.write_baseline)
    if os.path.realpath(typed) in [os.path.realpath(other) for other in others if other]:
        raise UsageError(
            f"--timeline {typed} is also the file of another option", try_next="--timeline trace.json"
        )
    file = TimelineFile(typed, redacted=values.redact)
    try:
        yield file
    except BaseException:
        file.discard()
        raise


def finish_timeline(file: TimelineFile, report: Report, started_in: str) -> None:
    """Puts the file in its place and says so on stderr. OutputError where it could not be written."""
    if file.redacted:
        from gradscope.reporters.redaction import redact

        report = redact(report, started_in)
    sentence = file.finish(f"gradscope {report.command} {report.target}", _about(report))
    click.echo(f"gradscope: {printable(sentence)}; open it at ui.perfetto.dev", err=True)


def _about(report: Report) -> dict[str, Any]:
    recording = report.recording
    program = recording.program
    ended = "exited with status " + str(program.exit_status)
    if program.interrupted:
        ended = "interrupted"
    elif program.error is not None:
        ended = f"{program.error.type}: {program.error.message}".rstrip(": ")
    elif program.stopped_after_steps is not None:
        ended = f"stopped after {program.stopped_after_steps} steps as asked"
    return {
        **report.environment,
        "torch": recording.torch_version,
        "command": f"gradscope {report.command} {report.target}",
        "device of the run": recording.device,
        "program": ended,
        "ops": recording.ops,
        "backward passes": recording.backward_passes,
        "steps": recording.steps,
        "clock": "monotonic, in microseconds from the start of the recording",
        "not seen": [*recording.not_seen],
    }
