"""`gradscope trace TARGET`: forward and backward under the recorder, then the findings."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._options import (
    configuration,
    input_options,
    judging_options,
    report_options,
    run_options,
    run_settings,
)
from gradscope.errors import UsageError, printable
from gradscope.exits import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradscope.commands._baselines import Baselines
    from gradscope.destination import Destination
    from gradscope.facts import Recording
    from gradscope.finding import Finding
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target
    from gradscope.policy import Policy
    from gradscope.recorder import Progress
    from gradscope.report import Report

_EPILOG = """\b
TARGET is one of
  train.py            a script, run as Python runs it; its arguments after --
  -m pkg.train        a module, likewise
  model.py:Net        an nn.Module, a factory of one, or a function that
  pkg.models:build    returns a loss; see --input and --loss
\b
Exit status: 0 no finding at or above --fail-on; 1 there is one; 2 bad usage
or configuration, or nothing was checked; 3 the program failed; 4 a fault in
gradscope; 130 for Ctrl-C."""


@click.command(epilog=_EPILOG, short_help="Run a program; report what happened to its gradients.")
@click.argument("words", nargs=-1, metavar="TARGET [-- ARGUMENTS]")
@click.option("-m", "run_module", metavar="MODULE", help="Run a module as a script, as python -m does.")
@input_options
@run_options
@judging_options
@report_options
def command(
    words: tuple[str, ...],
    run_module: str | None,
    format_name: str,
    output: str | None,
    redact: bool,
    fail_on: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    baseline: str | None,
    write_baseline: str | None,
    config_file: str | None,
    isolated: bool,
    **run_values: Any,
) -> int:
    """Run TARGET and report, line by line, what happened to the gradients."""
    from gradscope.commands._baselines import prepare
    from gradscope.destination import Destination
    from gradscope.loader.target import parse_target
    from gradscope.policy import policy
    from gradscope.rule_names import rule_names

    options = run_settings(**run_values)
    selected, ignored = rule_names("--select", select), rule_names("--ignore", ignore)
    if select and not selected:
        raise UsageError("--select is given no rule", try_next="gradscope explain --list")
    target = parse_target(words, run_module)
    config = configuration(target, config_file, isolated)
    judging = policy(config, selected, ignored, fail_on)
    baselines = prepare(target, baseline, write_baseline, config)
    _check_distinct(output, baseline, write_baseline, config.baseline)
    destination = Destination(output, machine=format_name != "text", to_stderr=target.is_program)
    started_in = os.getcwd()
    report = _traced(target, options, judging, baselines)
    with contextlib.chdir(started_in):
        _write(report, destination, format_name, redact)
    on_screen = format_name == "text" and destination.path is None
    status = _finish(report, judging, on_screen, output if destination.path is not None else None)
    if write_baseline is None:
        return status
    is_written, line = baselines.write(report, judging.judged, redact=redact)
    click.echo(f"gradscope: {printable(line)}", err=True)
    return ExitStatus.OK if is_written else status


def _check_distinct(output: str | None, *baselines: str | None) -> None:
    if output is not None and os.path.realpath(output) in [os.path.realpath(one) for one in baselines if one]:
        raise UsageError(
            f"{output} cannot be both the report and the baseline", try_next="--output report.json"
        )


def _traced(target: Target, options: Options, judging: Policy, baselines: Baselines) -> Report:
    from gradscope.engine import judge
    from gradscope.tracing import report_on

    def so_far(recording: Recording) -> tuple[Finding, ...]:
        return judge(recording, judging.select, (*judging.silencers, *baselines.known()))[0]

    recording = _record(target, options, so_far)
    known = baselines.known()
    report = report_on(recording, target.text, judging.select, (*judging.silencers, *known))
    remarks = [*judging.remarks, *baselines.remarks(known, report, judging.judged)]
    return replace(report, recording=replace(report.recording, notes=(*report.recording.notes, *remarks)))


def _record(
    target: Target, options: Options, findings: Callable[[Recording], tuple[Finding, ...]]
) -> Recording:
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


def _write(report: Report, destination: Destination, format_name: str, redact: bool) -> None:
    from gradscope import reporters

    with destination.open() as out:
        reporters.render(format_name, report, out, redact=redact)


def _finish(report: Report, judging: Policy, shown: bool, output: str | None) -> int:
    """The exit status. Where no text report was shown, what it says of the program's end is told here."""
    from gradscope.exits import nothing_checked, of_report

    error = report.recording.program.error
    if not shown and error is not None:
        click.echo(error.rendered, err=True, nl=False)
    summary = "no backward was run, so nothing was checked" if nothing_checked(report) else _summary(report)
    if output is not None:
        click.echo(f"gradscope: {summary}; the report is in {printable(output)}", err=True)
    elif not shown:
        click.echo(f"gradscope: {summary}", err=True)
    return of_report(report, judging.fail_on)


def _summary(report: Report) -> str:
    count = len(report.findings)
    found = "no findings" if count == 0 else f"{count} finding{'s' if count > 1 else ''}"
    return f"{found} ({len(report.suppressed)} silenced)" if report.suppressed else found
