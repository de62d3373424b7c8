"""`gradscope memory TARGET`: what the backward keeps, when memory peaks, what checkpointing would buy."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._formats import chosen_format
from gradscope.commands._options import (
    FORMATS_HELP,
    FileName,
    FormatName,
    OneOf,
    config_options,
    input_options,
    loss_option,
    report_formats,
    run_options,
    run_settings,
)
from gradscope.commands._reporting import JudgingValues, Reporting
from gradscope.errors import UsageError, printable
from gradscope.loader.options import OPTIMIZERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradscope.destination import Destination
    from gradscope.facts import Recording
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target
    from gradscope.memory_measuring import Request
    from gradscope.report import Report

_EPILOG = """\b
TARGET is one of
  train.py            a script, run as Python runs it; its arguments after --
  -m pkg.train        a module, likewise
  model.py:Net        an nn.Module, a factory of one, or a function that
  pkg.models:build    returns a loss; see --input and --loss
\b
Of a model, one training step is run again in several ways of checkpointing
and compared; of a script, what its own run keeps is told.
\b
Exit status: 0 measured; 1 a finding is at or above --fail-on, or nothing fits
the --budget; 2 bad usage or configuration, or nothing was measured; 3 the
program failed; 4 a fault in gradscope; 130 for Ctrl-C."""


@click.command(epilog=_EPILOG, short_help="See what memory is kept for; compare and plan checkpointing.")
@click.argument("words", nargs=-1, metavar="TARGET [-- ARGUMENTS]")
@click.option("-m", "run_module", metavar="MODULE", help="Run a module as a script, as python -m does.")
@click.option(
    "--budget",
    metavar="SIZE",
    help="Plan the checkpointing that stays within SIZE at the least cost: 8GiB, 500MB, 50%.",
)
@click.option(
    "--blocks",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="The modules to checkpoint: 'h.*'. Repeatable. Default: repeated modules are found.",
)
@click.option(
    "--sweep",
    metavar="KIND[=VALUES]",
    help="The memory curve over depth, batch or seq: --sweep depth, --sweep batch=1,8,64.",
)
@click.option("--fake", is_flag=True, help="Allocate nothing: plan a model that does not fit this machine.")
@click.option(
    "--optimizer",
    type=OneOf(list(OPTIMIZERS)),
    help="End each step of a model with one, to count its state: sgd, momentum, adam or adamw.",
)
@click.option("--no-compare", is_flag=True, help="Only what one run keeps.")
@click.option(
    "--timeline", type=FileName(), metavar="FILE", help="Write the memory over time, for ui.perfetto.dev."
)
@input_options
@loss_option
@run_options
@config_options
@click.option("-o", "--output", type=FileName(), metavar="FILE", help="Write the report to FILE.")
@click.option(
    "--format",
    "format_name",
    type=FormatName(report_formats),
    metavar="FORMAT",
    help=FORMATS_HELP,
)
@click.option("--redact", is_flag=True, help="No source text, values or absolute paths in the report.")
@click.option(
    "--fail-on",
    type=OneOf(["error", "warning", "never"]),
    help="The severity that makes the exit status 1. Default: error.",
)
def command(
    words: tuple[str, ...],
    run_module: str | None,
    budget: str | None,
    patterns: tuple[str, ...],
    sweep: str | None,
    fake: bool,
    optimizer: str | None,
    no_compare: bool,
    timeline: str | None,
    output: str | None,
    format_name: str | None,
    redact: bool,
    fail_on: str | None,
    config_file: str | None,
    isolated: bool,
    **run: Any,
) -> int:
    """See what TARGET keeps in memory for its backward, when it peaks, and what checkpointing would buy."""
    from gradscope.loader.target import parse_target
    from gradscope.memory_use.budget import parse_budget
    from gradscope.memory_use.sweep_option import parse_sweep

    options = replace(run_settings(**run), optimizer=optimizer)
    allowed = parse_budget(budget) if budget is not None else None
    swept = parse_sweep(sweep) if sweep is not None else None
    if no_compare and (allowed is not None or swept is not None or patterns):
        raise UsageError("--no-compare leaves out what --budget, --blocks and --sweep ask for")
    chosen = chosen_format(format_name, output)
    judging = JudgingValues(
        format_name=chosen,
        output=output,
        redact=redact,
        fail_on=fail_on,
        config_file=config_file,
        isolated=isolated,
    )
    try:
        target = parse_target(words, run_module)
        reporting = Reporting.of("memory", target, judging)
        curve = _curve_file(timeline, output)
        from gradscope.memory_measuring import Request, report_on

        request = Request(allowed, patterns, swept, fake=fake, compare=not no_compare)
        recording = _measured(target, options, request)
    except UsageError as error:
        raise error.advising("memory") from None
    report = reporting.judged(lambda select, by: report_on(recording, target.text, select, by))
    if curve is not None and report.recording.memory is not None:
        _write_curve(curve, report, reporting.started_in, redact=redact)
    page = _page(reporting.started_in, redact=redact) if chosen == "html" else None
    return reporting.finish(report, page)


def _measured(target: Target, options: Options, request: Request) -> Recording:
    from gradscope.commands._stage_line import StageLine
    from gradscope.memory_measuring import measure_target

    if sys.stderr is None or not sys.stderr.isatty():
        return measure_target(target, options, request)
    with StageLine() as line:
        return measure_target(target, options, request, line.show)


def _page(cwd: str, *, redact: bool) -> Callable[[Report], bytes]:
    """Makes the page of a report whose paths are told from `cwd` on."""
    from gradscope.reporters.memory_page import render
    from gradscope.reporters.redaction import redact as redacted

    return lambda report: render(redacted(report, cwd) if redact else report, cwd)


def _curve_file(typed: str | None, output: str | None) -> Destination | None:
    """The file that `--timeline` names, opened for writing before anything runs; None without the option."""
    if typed is None:
        return None
    from gradscope.destination import Destination

    if typed == "-":
        raise UsageError("--timeline needs the name of a file", try_next="--timeline memory-trace.json")
    if output is not None and os.path.realpath(typed) == os.path.realpath(output):
        raise UsageError(f"--timeline {typed} is also the report's file", try_next="--timeline trace.json")
    return Destination(typed, machine=True, to_stderr=False)


def _write_curve(curve: Destination, report: Report, started_in: str, *, redact: bool) -> None:
    from gradscope.reporters.memory_timeline import timeline_of
    from gradscope.reporters.redaction import redact as redacted

    shown = redacted(report, started_in) if redact else report
    with contextlib.chdir(started_in):
        (path,) = curve.write_parts([(timeline_of(shown, started_in).encode("ascii"), "")])
        name = printable(os.path.relpath(path))
    click.echo(f"gradscope: the memory over time is in {name}; open it at ui.perfetto.dev", err=True)
