"""`gradscope trace TARGET`: forward and backward under the recorder, then the findings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from gradscope.commands._options import (
    FileName,
    input_options,
    judging_options,
    loss_option,
    report_options,
    run_options,
    run_settings,
)
from gradscope.commands._reporting import JudgingValues, Reporting
from gradscope.commands._running import recorded
from gradscope.commands._timelines import finish_timeline, timeline_file

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
@click.option(
    "--timeline",
    type=FileName(),
    metavar="FILE",
    help="Write what ran when, forward and backward, for ui.perfetto.dev.",
)
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
    timeline: str | None,
    **values: Any,
) -> int:
    """Run TARGET and report, line by line, what happened to the gradients."""
    from gradscope.loader.target import parse_target

    options = run_settings(inputs, inputs_file, loss, device, dtype, amp, seed, steps)
    judging = JudgingValues.typed(**values)
    judging.rules()  # a mistyped rule comes before a mistyped target
    target = parse_target(words, run_module)
    reporting = Reporting.of("trace", target, judging, to_stderr=target.is_program)
    with timeline_file(timeline, judging) as file:
        if file is not None:
            options = replace(options, timeline=file.buffer)
        recording = recorded(target, options, reporting.so_far)
        from gradscope.tracing import report_on  # torch: not before all that was typed is known to be right

        report = reporting.judged(lambda select, by: report_on(recording, target.text, select, by))
        try:
            status = reporting.finish(report)
        finally:
            if file is not None:
                finish_timeline(file, report, reporting.started_in)
    return status
