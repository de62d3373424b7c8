"""`gradscope trace TARGET`: forward and backward under the recorder, then the findings."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._options import (
    input_options,
    report_options,
    rule_names,
    run_options,
    run_settings,
    threshold,
)

if TYPE_CHECKING:
    from gradscope.destination import Destination
    from gradscope.facts import Recording
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target
    from gradscope.report import Report

_EPILOG = """\b
TARGET is one of
  train.py            a script, run as Python runs it; its arguments after --
  -m pkg.train        a module, likewise
  model.py:Net        an nn.Module, a factory of one, or a function that
  pkg.models:build    returns a loss; see --input and --loss
\b
Exit status: 0 no finding at or above --fail-on; 1 there is one; 2 bad usage,
or nothing was checked; 3 the program failed; 4 a fault in gradscope; 130 for
Ctrl-C."""


@click.command(epilog=_EPILOG, short_help="Run a program; report what happened to its gradients.")
@click.argument("words", nargs=-1, metavar="TARGET [-- ARGUMENTS]")
@click.option("-m", "run_module", metavar="MODULE", help="Run a module as a script, as python -m does.")
@input_options
@run_options
@report_options
def command(
    words: tuple[str, ...],
    run_module: str | None,
    format_name: str,
    output: str | None,
    redact: bool,
    fail_on: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    **run_values: Any,
) -> int:
    """Run TARGET and report, line by line, what happened to the gradients."""
    from gradscope.destination import Destination
    from gradscope.loader.target import parse_target

    options = run_settings(**run_values)
    selected, ignored = rule_names("--select", select), rule_names("--ignore", ignore)
    target = parse_target(words, run_module)
    destination = Destination(output, machine=format_name != "text", to_stderr=target.is_program)
    started_in = os.getcwd()
    report = _traced(target, options, selected, ignored)
    with contextlib.chdir(started_in):
        _write(report, destination, format_name, redact)
    on_screen = format_name == "text" and destination.path is None
    return _finish(report, fail_on, on_screen, output if destination.path is not None else None)


def _traced(target: Target, options: Options, select: tuple[str, ...], ignore: tuple[str, ...]) -> Report:
    from gradscope.tracing import report_on

    return report_on(_record(target, options), target.text, select, ignore)


def _record(target: Target, options: Options) -> Recording:
    from gradscope.progress import ProgressLine
    from gradscope.tracing import trace_target

    if sys.stderr is None or not sys.stderr.isatty():
        return trace_target(target, options)
    hint = target.is_program and options.steps is None
    with ProgressLine(sys.stderr, hint=hint) as line:
        return trace_target(target, options, line)


def _write(report: Report, destination: Destination, format_name: str, redact: bool) -> None:
    from gradscope import reporters

    with destination.open() as out:
        reporters.render(format_name, report, out, redact=redact)


def _finish(report: Report, fail_on: str, shown: bool, output: str | None) -> int:
    """The exit status. Where no text report was shown, what it says of the program's end is told here."""
    from gradscope.exits import nothing_checked, of_report

    error = report.recording.program.error
    if not shown and error is not None:
        click.echo(error.rendered, err=True, nl=False)
    summary = "no backward was run, so nothing was checked" if nothing_checked(report) else _summary(report)
    if output is not None:
        click.echo(f"gradscope: {summary}; the report is in {output}", err=True)
    elif not shown:
        click.echo(f"gradscope: {summary}", err=True)
    return of_report(report, threshold(fail_on))


def _summary(report: Report) -> str:
    count = len(report.findings)
    return "no findings" if count == 0 else f"{count} finding{'s' if count > 1 else ''}"
