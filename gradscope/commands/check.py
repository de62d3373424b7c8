"""`gradscope check TARGET`: custom gradients against numerical derivatives, and in every other use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._options import (
    FileName,
    Seconds,
    check_one_source,
    device_option,
    input_options,
    judging_options,
    report_options,
    seed_option,
)
from gradscope.commands._reporting import JudgingValues, Reporting
from gradscope.commands._stage_line import StageLine
from gradscope.errors import GradscopeError

if TYPE_CHECKING:
    from gradscope.checker.process.request import Request
    from gradscope.checking import Outcome

_EPILOG = """\b
TARGET is one of
  ops.py              every torch.autograd.Function and custom op of a file
  ops.py:Softmax      one of them, a plain function, or an nn.Module
  pkg.ops, pkg.ops:Softmax, -m pkg.ops       a module, likewise
\b
Inputs come from --input or --inputs; from gradscope_inputs in the file; from
the calls that its own __main__ makes, or the script of --capture, to which
what stands after -- is given; or else they are found by trial.
\b
Exit status: 0 no finding at or above --fail-on; 1 there is one; 2 bad usage
or configuration, or nothing could be checked; 3 the file cannot be imported,
or a function of it crashed or hung; 4 a fault in gradscope; 130 for Ctrl-C."""


@click.command(epilog=_EPILOG, short_help="Check custom gradients against numerical derivatives.")
@click.argument("words", nargs=-1, metavar="TARGET [-- ARGUMENTS]")
@click.option("-m", "run_module", metavar="MODULE", help="A module by its dotted name, as in python -m.")
@input_options
@click.option(
    "--capture",
    type=FileName(),
    metavar="SCRIPT",
    help="Run SCRIPT and check with the arguments of the calls that it makes.",
)
@click.option("--no-run", is_flag=True, help="Do not run the file's own __main__.")
@click.option("--against", metavar="[FILE:]FUNCTION", help="Also compare with a derivative written by hand.")
@click.option("--sweep", metavar="NAME=FROM:TO", help="Draw forward, backward and numerical derivative.")
@click.option(
    "--loss",
    metavar="LOSS",
    help="Of an nn.Module: mean, sum, mse, cross_entropy, or file.py:function.",
)
@device_option
@seed_option
@click.option(
    "--time-limit",
    "seconds",
    type=Seconds(),
    metavar="SECONDS",
    help="Time to measure each function; what takes ten times as long, and 10 s, is stopped. Default: 2.",
)
@judging_options
@report_options
def command(
    words: tuple[str, ...],
    run_module: str | None,
    inputs: tuple[str, ...],
    inputs_file: str | None,
    capture: str | None,
    no_run: bool,
    against: str | None,
    sweep: str | None,
    loss: str | None,
    device: str,
    seed: int | None,
    seconds: float | None,
    **values: Any,
) -> int:
    """Check the gradients that TARGET defines: are they right, in every way they will be used?"""
    from gradscope.checker.process.request import SECONDS, Request
    from gradscope.checker.process.targets import parse_words, seen_program
    from gradscope.checking import report_on
    from gradscope.loader.sweeps import read_against, read_sweep

    check_one_source(inputs, inputs_file)
    judging = JudgingValues.typed(**values)
    judging.rules()  # a mistyped rule comes before a mistyped target
    try:
        target = parse_words(words, run_module)
        program = seen_program(target, capture, no_run=no_run)
        if against is not None:
            read_against(against)
        if sweep is not None:
            read_sweep(sweep)
    except GradscopeError as error:
        raise error.advising("check") from None
    request = Request(
        target=target,
        inputs=inputs,
        inputs_file=inputs_file,
        program=program,
        device=device,
        seed=seed,
        seconds=SECONDS if seconds is None else seconds,
        against=against or "",
        sweep=sweep or "",
        loss=loss or "",
    )
    reporting = Reporting.of("check", target, judging)
    outcome = _check(request)
    report = reporting.judged(lambda select, by: report_on(outcome, target.text, select, by))
    return reporting.finish(report)


def _check(request: Request) -> Outcome:
    from gradscope.checking import check_target

    if sys.stderr is None or not sys.stderr.isatty():
        return check_target(request)

    with StageLine() as line:
        return check_target(request, line.show)
