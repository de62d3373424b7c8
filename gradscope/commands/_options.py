"""Options that several commands share, each as one decorator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from gradscope.errors import UsageError, did_you_mean
from gradscope.finding import Severity
from gradscope.loader.options import AMP, DTYPES, Options

Command = TypeVar("Command", bound=Callable[..., Any])


class FormatName(click.ParamType[str]):
    """The name of a report format; the reporters are imported only when one is typed."""

    name = "format"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the name, or raises UsageError with the nearest ones."""
        from gradscope import reporters

        known = reporters.names()
        if value not in known:
            raise UsageError(
                f"no format {value}{did_you_mean(value, known)}", try_next=f"--format {' or '.join(known)}"
            )
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
    click.option("--inputs", "inputs_file", metavar="FILE", help="Inputs from a .pt or .safetensors file."),
    click.option("--loss", metavar="LOSS", help="mean, sum, mse, cross_entropy, or file.py:function."),
)

run_options = stacked(
    click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps."),
    click.option(
        "--dtype",
        type=click.Choice(sorted(DTYPES)),
        metavar="DTYPE",
        help="float32, float64, bfloat16, float16.",
    ),
    click.option("--amp", type=click.Choice(sorted(AMP)), help="Run under autocast."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed the generators first."),
    click.option(
        "--steps",
        type=click.IntRange(1),
        metavar="N",
        help="End a script after N optimizer steps; call a module N times.",
    ),
)

report_options = stacked(
    click.option(
        "--format", "format_name", type=FormatName(), default="text", metavar="FORMAT", help="text or json."
    ),
    click.option("--output", metavar="FILE", help="Write the report to FILE."),
    click.option("--redact", is_flag=True, help="No source text, values or absolute paths in the report."),
    click.option(
        "--fail-on",
        type=click.Choice(["error", "warning", "never"]),
        default="error",
        help="The severity that makes the exit status 1. Default: error.",
    ),
    click.option(
        "--select", multiple=True, metavar="RULES", help="Only these rules: codes, prefixes (GS1) or names."
    ),
    click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules."),
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
    """The options of `input_options` and `run_options` as one value."""
    if inputs and inputs_file:
        raise UsageError("--input and --inputs both give the inputs; use one of them")
    return Options(inputs, inputs_file, loss, device, dtype and DTYPES[dtype], amp and AMP[amp], seed, steps)


def threshold(fail_on: str) -> Severity | None:
    """The severity that `--fail-on` names, None for `never`."""
    return None if fail_on == "never" else Severity(fail_on)


def rule_names(option: str, values: Iterable[str]) -> tuple[str, ...]:
    """The names in a `--select` or `--ignore`: comma lists of codes, beginnings of codes (GS1), and slugs.

    Raises UsageError for one that matches no rule.
    """
    from gradscope.rules import all_rules

    rules = all_rules()
    names = [name for value in values for name in re.split(r"[,\s]+", value) if name]
    for name in names:
        if not any(_matches(rule.code, rule.slug, name) for rule in rules.values()):
            known = [*rules, *(rule.slug for rule in rules.values())]
            guess = did_you_mean(name, known)
            raise UsageError(f"{option} {name}: no such rule{guess}", try_next="gradscope explain --list")
    return tuple(dict.fromkeys(names))


def _matches(code: str, slug: str, name: str) -> bool:
    is_prefix = re.fullmatch(r"GS\d*", name, re.IGNORECASE) is not None
    return slug == name.casefold() or (is_prefix and code.startswith(name.upper()))
