"""`gradscope graph TARGET`: the autograd graph of one backward, as a picture, a page, data or a tree."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gradscope.commands._options import (
    FileName,
    FormatName,
    Name,
    OneOf,
    WholeNumber,
    config_options,
    input_options,
    loss_option,
    report_formats,
    run_options,
    run_settings,
)
from gradscope.commands._reporting import JudgingValues, Reporting
from gradscope.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradscope.autograd_graph.drawing import View
    from gradscope.report import Report
    from gradscope.reporters.pictures import Part

_EPILOG = """\b
TARGET is one of
  train.py            a script, run as Python runs it; its arguments after --
  -m pkg.train        a module, likewise
  model.py:Net        an nn.Module, a factory of one, or a function that
  pkg.models:build    returns a loss; see --input and --loss
\b
The format is that of FILE's name: .html, .svg, .png, .pdf, .dot, .mmd, .json;
without -o a tree is shown. svg, png and pdf need Graphviz's dot.
\b
Exit status: 0 the graph was drawn; 1 a finding is at or above --fail-on,
where that is given; 2 bad usage, or no graph; 3 the program failed; 4 a fault
in gradscope; 130 for Ctrl-C."""

_BINARY = ("png", "pdf")
_AROUND = re.compile(r"(?:(?P<path>.+):)?(?P<line>\d+)")


def _formats() -> Sequence[str]:
    from gradscope.reporters import pictures

    return sorted({*pictures.names(), *report_formats()})


def _is_picture(format_name: str) -> bool:
    """Whether a format shows the graph itself; the html of a graph does, that of other reports does not."""
    from gradscope.reporters import pictures

    return format_name in pictures.names()


class Depth(Name):
    """`auto`, `all`, or how many levels of modules are open."""

    name = "depth"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the word, or raises UsageError."""
        if value in ("auto", "all") or value.isdecimal():
            return value
        raise UsageError(f"--depth must be a whole number, auto or all, not {value}")


@click.command(epilog=_EPILOG, short_help="Draw the autograd graph of a backward, at any size.")
@click.argument("words", nargs=-1, metavar="TARGET [-- ARGUMENTS]")
@click.option("-m", "run_module", metavar="MODULE", help="Run a module as a script, as python -m does.")
@click.option("-o", "--output", type=FileName(), metavar="FILE", help="Write the picture to FILE.")
@click.option(
    "--format",
    "format_name",
    type=FormatName(_formats),
    metavar="FORMAT",
    help="html, svg, png, pdf, dot, mermaid, model-explorer, json or text. Default: FILE's ending.",
)
@click.option(
    "--backward", "number", type=WholeNumber(1), default=1, metavar="N", help="The N-th backward. Default: 1."
)
@click.option(
    "--depth",
    type=Depth(),
    default="auto",
    metavar="N",
    help="Levels of modules that are open: a number, all, or auto.",
)
@click.option("--path", "leaf", metavar="PARAMETER", help="Only the paths from one parameter to the loss.")
@click.option("--around", metavar="[FILE:]LINE", help="Only what is near to the nodes of a line.")
@click.option(
    "--reach", type=WholeNumber(0), default=3, metavar="N", help="Of --around: steps away. Default: 3."
)
@click.option(
    "--colour",
    "--color",
    type=OneOf(["gradient", "time", "bytes", "none"]),
    default="gradient",
    help="Colour by gradient norm, backward time or saved bytes. Default: gradient.",
)
@click.option("--no-fold", is_flag=True, help="Draw equal blocks each for itself.")
@click.option(
    "--style",
    type=OneOf(["gradscope", "torchviz"]),
    default="gradscope",
    help="torchviz: the picture that torchviz draws.",
)
@input_options
@loss_option
@run_options
@config_options
@click.option("--redact", is_flag=True, help="No source text, values or absolute paths in the picture.")
@click.option(
    "--fail-on",
    type=OneOf(["error", "warning", "never"]),
    default="never",
    help="The severity of a finding that makes the exit status 1. Default: never.",
)
def command(
    words: tuple[str, ...],
    run_module: str | None,
    output: str | None,
    format_name: str | None,
    number: int,
    depth: str,
    leaf: str | None,
    around: str | None,
    reach: int,
    colour: str,
    no_fold: bool,
    style: str,
    redact: bool,
    fail_on: str,
    config_file: str | None,
    isolated: bool,
    **run: Any,
) -> int:
    """Draw the autograd graph of TARGET: what the backward walks, line by line and module by module."""
    from gradscope.loader.target import parse_target

    options = replace(run_settings(**run), graph_of=number)
    view = _view(depth, leaf, around, reach, colour, no_fold)
    chosen = _format(format_name, output, style)
    judging = JudgingValues(
        format_name=chosen,
        output=output,
        redact=redact,
        fail_on=fail_on,
        config_file=config_file,
        isolated=isolated,
    )
    from gradscope.commands._running import recorded
    from gradscope.graphing import report_on

    try:
        target = parse_target(words, run_module)
        reporting = Reporting.of("graph", target, judging)
        recording = recorded(target, options, reporting.so_far)
    except UsageError as error:
        raise error.advising("graph") from None
    report = reporting.judged(lambda select, by: report_on(recording, target.text, number, view, select, by))
    if _is_picture(chosen):
        return reporting.finish_picture(report, lambda judged: _parts(judged, chosen, style, redact=redact))
    return reporting.finish(report)


def _view(depth: str, leaf: str | None, around: str | None, reach: int, colour: str, no_fold: bool) -> View:
    from gradscope.autograd_graph.drawing import WHOLE, Colour, View

    levels = {"auto": None, "all": WHOLE}.get(depth, 0)
    place = None
    if around is not None:
        found = _AROUND.fullmatch(around)
        if found is None:
            raise UsageError(f"--around {around} is no line", try_next="--around train.py:41")
        place = (found["path"], int(found["line"]))
    return View(
        depth=int(depth) if depth.isdecimal() else levels,
        path=leaf,
        around=place,
        reach=reach,
        fold=not no_fold,
        colour=Colour(colour),
    )


def _format(format_name: str | None, output: str | None, style: str) -> str:
    """The format that was asked for, or that the name of the file means; UsageError for one that is none."""
    from gradscope import reporters
    from gradscope.reporters import pictures

    named = format_name
    if named is None and output not in (None, "-"):
        assert output is not None
        named = pictures.format_for(output) or reporters.format_for(output)
        if named is None:
            raise OutputError(
                f"--output {output}: its ending names no format",
                try_next=("--output graph.svg", f"--format {' or '.join(sorted(pictures.names()))}"),
            )
    named = named or "text"
    if named in _BINARY and output is None and sys.stdout is not None and sys.stdout.isatty():
        raise OutputError(f"a terminal cannot show {named}", try_next=f"--output graph.{named}")
    if style == "torchviz" and named not in ("dot", "svg", *_BINARY):
        raise UsageError(
            f"--style torchviz is drawn by Graphviz, not as {named}", try_next="--output graph.svg"
        )
    return named


def _parts(report: Report, format_name: str, style: str, *, redact: bool) -> tuple[Part, ...]:
    from gradscope.graphing import picture

    return picture(report, format_name, torchviz_style=style == "torchviz", redact=redact)
