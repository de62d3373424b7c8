"""Options that several commands share, each as one decorator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from gradscope.errors import UsageError, did_you_mean
from gradscope.loader.options import AMP, DTYPES, Options

if TYPE_CHECKING:
    from gradscope.config import Config
    from gradscope.loader.target import Target

    Name: TypeAlias = click.ParamType[str]
    Number: TypeAlias = click.ParamType[int]
    Real: TypeAlias = click.ParamType[float]
else:  # not generic before click 8.4
    Name = Number = Real = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])


FORMATS_HELP = (
    "text, json, html, markdown, sarif, junit, github, gitlab or concise. Default: FILE's ending, or text."
)


def report_formats() -> Sequence[str]:
    """The names of the reporters, which are imported here and not before."""
    from gradscope import reporters

    return reporters.names()


class FormatName(Name):
    """The name of a format; `names` is asked for all of them only when one is typed."""

    name = "format"

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self.names = names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the name, or raises UsageError with the nearest ones."""
        known = self.names()
        if value not in known:
            raise UsageError(
                f"no format {value}{did_you_mean(value, known)}", try_next=f"--format {' or '.join(known)}"
            )
        return value


class OneOf(click.Choice[str]):
    """One of a few words."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the word, or raises UsageError with the nearest one and all of them."""
        if value in self.choices:
            return value
        option = param.opts[0] if param is not None else "the option"
        words = [*map(str, self.choices)]
        raise UsageError(
            f"{option} cannot be {value}{did_you_mean(value, words)}",
            try_next=f"{option} {', '.join(words[:-1])} or {words[-1]}",
        )


class WholeNumber(Number):
    """A whole number from `smallest` up."""

    name = "N"

    def __init__(self, smallest: int) -> None:
        self.smallest = smallest

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number, or raises UsageError."""
        if str(value).isdecimal() and self.smallest <= int(value) < 2**63:
            return int(value)
        option = param.opts[0] if param is not None else "the option"
        raise UsageError(f"{option} must be a whole number from {self.smallest} up, not {value}")


class Seconds(Real):
    """A time that is not 0, in seconds."""

    name = "seconds"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number of seconds, or raises UsageError."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if 0.0 < seconds < float("inf"):
            return seconds
        option = param.opts[0] if param is not None else "the option"
        raise UsageError(f"{option} must be a number of seconds above 0, not {value}")


class FileName(Name):
    """The name of a file, which must not be empty (a shell variable that was not set)."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the name, or raises UsageError where there is none."""
        if not value:
            option = param.opts[0] if param is not None else "the option"
            raise UsageError(f"{option} is given an empty name", try_next=f"{option} FILE")
        return value


def stacked(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator that applies several, the first one outermost, as if written above each other."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


input_options = stacked(
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="[NAME=]EXPR",
        help="An input of a module or function: 'randn(8,3,32,32)', 'ids=randint(0,100,(2,16))'. Repeatable.",
    ),
    click.option(
        "--inputs",
        "inputs_file",
        type=FileName(),
        metavar="FILE",
        help="Inputs from a .pt or .safetensors file.",
    ),
)

loss_option = click.option(
    "--loss", metavar="LOSS", help="mean, sum, mse, cross_entropy, or file.py:function."
)

device_option = click.option(
    "--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps."
)

seed_option = click.option("--seed", type=WholeNumber(0), metavar="N", help="Seed the generators first.")

run_options = stacked(
    device_option,
    click.option(
        "--dtype",
        type=OneOf(sorted(DTYPES)),
        metavar="DTYPE",
        help="float32, float64, bfloat16, float16.",
    ),
    click.option("--amp", type=OneOf(sorted(AMP)), help="Run under autocast."),
    seed_option,
    click.option(
        "--steps",
        type=WholeNumber(1),
        metavar="N",
        help="End a script after N optimizer steps; call a module N times.",
    ),
)

report_options = stacked(
    click.option(
        "--format",
        "format_name",
        type=FormatName(report_formats),
        metavar="FORMAT",
        help=FORMATS_HELP,
    ),
    click.option("--output", type=FileName(), metavar="FILE", help="Write the report to FILE."),
    click.option("--redact", is_flag=True, help="No source text, values or absolute paths in the report."),
)

config_options = stacked(
    click.option(
        "--config",
        "config_file",
        type=FileName(),
        metavar="FILE",
        help="Use the [tool.gradscope] of FILE, not of the nearest pyproject.toml.",
    ),
    click.option("--isolated", is_flag=True, help="Use no configuration."),
)

judging_options = stacked(
    click.option(
        "--fail-on",
        type=OneOf(["error", "warning", "never"]),
        help="The severity that makes the exit status 1. Default: error.",
    ),
    click.option(
        "--select", multiple=True, metavar="RULES", help="Only these rules: codes, prefixes (GS1) or names."
    ),
    click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules."),
    click.option(
        "--baseline", type=FileName(), metavar="FILE", help="Silence the findings that are in FILE."
    ),
    click.option(
        "--write-baseline", type=FileName(), metavar="FILE", help="Write the findings of this run to FILE."
    ),
    config_options,
)


def run_settings(
    inputs: tuple[str, ...],
    inputs_file: str | None,
    loss: str | None,
    device: str,
    dtype: str | None,
    amp: str | None,
    seed: int | None,
    steps: int | None,
) -> Options:
    """The options of `input_options`, `loss_option` and `run_options` as one value."""
    check_one_source(inputs, inputs_file)
    return Options(inputs, inputs_file, loss, device, dtype and DTYPES[dtype], amp and AMP[amp], seed, steps)


def check_one_source(inputs: tuple[str, ...], inputs_file: str | None) -> None:
    """Raises UsageError where both `--input` and `--inputs` were given."""
    if inputs and inputs_file:
        raise UsageError("--input and --inputs both give the inputs; use one of them")


def configuration(target: Target, config_file: str | None, isolated: bool) -> Config:
    """The configuration of a target: that of `--config`, or of the `pyproject.toml` nearest to its file.

    A module is looked for from the working directory, as Python looks for it. UsageError where it is
    wrong.
    """
    from gradscope import config

    if config_file is not None and isolated:
        raise UsageError("--config and --isolated contradict each other; use one of them")
    if isolated:
        return config.Config()
    if config_file is not None:
        return config.from_file(config_file)
    return config.nearest(target.folder)
