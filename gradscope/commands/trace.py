"""`gradscope trace TARGET`: forward and backward under the recorder, then the findings."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._options import (
    input_options,
    judging_options,
    loss_option,
    report_options,
    run_options,
    run_settings,
)
from gradscope.commands._reporting import JudgingValues, Reporting

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradscope.facts import Recording
    from gradscope.finding import Finding
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target
    from gradscope.recorder import Progress

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
@loss_option
@run_options
@judging_options
@report_options
def command(
    words: tuple[str, ...],
    run_module: str | None,
    inputs: tuple[str, ...],
    inputs_file: str | None,
    loss: str | None,
    device: str,
    dtype: str | None,
    amp: str | None,
    seed: int | None,
    steps: int | None,
    **values: Any,
) -> int:
    """Run TARGET and report, line by line, what happened to the gradients."""
    from gradscope.loader.target import parse_target

    options = run_settings(inputs, inputs_file, loss, device, dtype, amp, seed, steps)
    judging = JudgingValues(**values)
    judging.rules()  # a mistyped rule comes before a mistyped target
    target = parse_target(words, run_module)
    reporting = Reporting.of("trace", target, judging, to_stderr=target.is_program)
    recording = _record(target, options, reporting.so_far)
    from gradscope.tracing import report_on  # torch: not before all that was typed is known to be right

    report = reporting.judged(lambda select, by: report_on(recording, target.text, select, by))
    return reporting.finish(report)


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
