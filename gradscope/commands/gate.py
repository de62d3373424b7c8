"""`gradscope gate`: the targets that a configuration lists, judged; one exit status, one summary."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gradscope.commands._gate_progress import GateProgress, say
from gradscope.commands._options import (
    FORMATS_HELP,
    FileName,
    FormatName,
    OneOf,
    WholeNumber,
    report_formats,
)
from gradscope.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gradscope.config import Config
    from gradscope.gating.gate import Gate
    from gradscope.gating.processes.running import Ran
    from gradscope.outcomes import GateReport

_EPILOG = """\b
The targets stand in pyproject.toml, the nearest one with a [tool.gradscope]:
  [[tool.gradscope.gate.targets]]
  trace = "train.py"
  steps = 5
NAME is a target's name, or a pattern for names ("vision/*").
\b
Exit status: 0 all targets passed; 1 one failed: a finding, a limit, something
expected that was not found; 3 one hung, crashed, died or ran out of memory;
2 bad usage or configuration, or a target with nothing to check; 4 a fault in
gradscope; 130 for Ctrl-C."""


@click.command(epilog=_EPILOG, short_help="Run all targets of the configuration: one verdict, for CI.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--init", is_flag=True, help="Write a first configuration from what is found here.")
@click.option("--jobs", type=WholeNumber(1), metavar="N", help="Targets that run at once. Default: 1.")
@click.option("--baseline", type=FileName(), metavar="FILE", help="Known findings and gradients are in FILE.")
@click.option(
    "--update-baseline", is_flag=True, help="Write what is found, and all gradient norms, to the baseline."
)
@click.option(
    "--config",
    "config_file",
    type=FileName(),
    metavar="FILE",
    help="Use the [tool.gradscope] of FILE, not of the nearest pyproject.toml.",
)
@click.option(
    "--fail-on",
    type=OneOf(["error", "warning", "never"]),
    help="The severity at which a finding fails a target. Default: error, or what the target says.",
)
@click.option("--format", "format_name", type=FormatName(report_formats), metavar="FORMAT", help=FORMATS_HELP)
@click.option(
    "--output",
    "files",
    multiple=True,
    type=FileName(),
    metavar="[FORMAT:]FILE",
    help="Also write a report to FILE, in the format of its ending. Repeatable. github:- is for stdout.",
)
@click.option("--redact", is_flag=True, help="No source text, values or absolute paths in the reports.")
def command(
    names: tuple[str, ...],
    init: bool,
    jobs: int | None,
    baseline: str | None,
    update_baseline: bool,
    config_file: str | None,
    fail_on: str | None,
    format_name: str | None,
    files: tuple[str, ...],
    redact: bool,
) -> int:
    """Run the targets that pyproject.toml lists, each in a process of its own, and give one verdict."""
    if init:
        return _init(names, config_file)
    from gradscope.commands._outputs import check_kept, outputs, write_all
    from gradscope.exits import ExitStatus, of_gate
    from gradscope.gating.gate import prepare
    from gradscope.gating.verdicts import still_fails

    started_in = os.getcwd()
    opened = outputs(format_name, files)
    gate = prepare(_config(config_file), names, jobs, fail_on, baseline, update=update_baseline)
    check_kept(opened, gate.kept_files())
    report, measured = _run(gate)
    failed = write_all(opened, report, started_in, redact=redact)
    _write_job_summary(report, started_in, redact=redact)
    status = of_gate(report)
    if update_baseline:
        lines = gate.write_baseline(report, measured, redact=redact)
        _tell(lines)
        if status is ExitStatus.FINDINGS and not any(map(still_fails, report.outcomes)):
            status = ExitStatus.OK
    written = [each for each in opened if each.name and each.name not in failed]
    _tell(f"the {each.format_name} report is in {each.name}" for each in written)
    _tell(f"error: {error.what}" for error in failed.values())
    return ExitStatus.USAGE if failed and status is ExitStatus.OK else status


def _config(config_file: str | None) -> Config:
    """The configuration of `--config`, or that of the working directory."""
    from gradscope import config

    return config.from_file(config_file) if config_file is not None else config.nearest(os.getcwd())


def _run(gate: Gate) -> tuple[GateReport, Sequence[Ran]]:
    with GateProgress(len(gate.settings.targets)) as progress:
        return gate.run(progress.started, progress.ended)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"gradscope: {printable(line)}")


def _write_job_summary(report: GateReport, cwd: str, *, redact: bool) -> None:
    """In a GitHub workflow, the summary that the page of the run shows."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from gradscope.reporters.markdown import job_summary, write_job_summary
    from gradscope.reporters.redaction_gate import redact_gate

    shown = redact_gate(report, cwd) if redact else report
    try:
        write_job_summary(path, job_summary(shown, cwd))
    except OSError as error:  # the verdict is not that of the runner's files
        _tell([f"the job's summary cannot be written to {path}: {error.strerror or error}"])


def _init(names: tuple[str, ...], config_file: str | None) -> int:
    """Writes a first configuration and says what to do next."""
    if names:
        raise UsageError("--init takes no names of targets", try_next="gradscope gate --init")
    from gradscope.gating.discovery.first_configuration import write_configuration

    _tell(write_configuration(config_file))
    return 0
