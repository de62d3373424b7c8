"""`gradscope explain`: a rule's page, a backward node's formula, or a custom Function's source."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

import click

from gradscope.commands._explained import Topic, screen_width
from gradscope.commands._options import (
    OneOf,
    WholeNumber,
    input_options,
    loss_option,
    run_options,
    run_settings,
)
from gradscope.errors import UsageError
from gradscope.exits import ExitStatus

if TYPE_CHECKING:
    from gradscope.commands._explain_uses import Uses
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target

_EPILOG = """\b
NAME is one of
  GS102, severed-gradient   a rule, by its code or name; GS4 lists a family
  MulBackward0              a node of the graph, with its number or without
  mul, F.relu, nn.Conv2d    an op, a function or a layer: the nodes it leaves
  ops.py:Softmax            a torch.autograd.Function or custom op of a file,
  pkg.ops:Softmax           or of a module: its source, which is not run
\b
TARGET is a program, as for gradscope graph: it is run, and the lines are
listed at which the node occurs."""

_EXAMPLES = ("gradscope explain GS102", "gradscope explain MulBackward0", "gradscope explain --list")
_WIDEST = 120


@click.command(
    epilog=_EPILOG, short_help="Show a rule's page, a node's derivative formula, a custom Function's source."
)
@click.argument("name", required=False, metavar="NAME")
@click.argument("words", nargs=-1, metavar="[TARGET [-- ARGUMENTS]]")
@click.option("-m", "run_module", metavar="MODULE", help="Look in a module that is run as python -m does.")
@click.option(
    "--list",
    "list_all",
    is_flag=True,
    help="List all rules; with NAME 'nodes' all nodes; else what has NAME in its name.",
)
@click.option(
    "--format",
    "format_name",
    type=OneOf(["text", "json"]),
    default="text",
    help="text or json. Default: text.",
)
@click.option(
    "--backward", "number", type=WholeNumber(1), default=1, metavar="N", help="Look in the N-th backward."
)
@input_options
@loss_option
@run_options
def command(
    name: str | None,
    words: tuple[str, ...],
    run_module: str | None,
    list_all: bool,
    format_name: str,
    number: int,
    **run: Any,
) -> int:
    """Explain a rule, a node of the autograd graph, or a custom Function."""
    as_json = format_name == "json"
    if list_all:
        from gradscope.commands._explain_list import listed

        _print(listed(name, as_json=as_json))
        return ExitStatus.OK
    if not name:
        raise UsageError("say which rule or node", try_next=_EXAMPLES)
    if words or run_module is not None:
        options = replace(run_settings(**run), graph_of=number)
        return _explain_in(name, _target(name, words, run_module), options, as_json=as_json)
    from gradscope.commands._explain_lookup import topics_of, unknown

    topics = topics_of(name)
    if not topics:
        raise unknown(name)
    _print(_shown(topics, as_json=as_json))
    return ExitStatus.OK


def _target(name: str, words: Sequence[str], run_module: str | None) -> Target:
    from gradscope.loader.target import parse_target

    try:
        return parse_target(words, run_module)
    except UsageError as error:
        raise error.advising(f"explain {name}") from None


def _explain_in(name: str, target: Target, options: Options, *, as_json: bool) -> int:
    """Explains a node, runs the target, and shows where in it the node occurs."""
    from gradscope.commands._explain_lookup import (
        is_rule,
        is_source,
        names_in,
        topics_in,
        topics_of,
        unknown,
    )
    from gradscope.commands._explain_uses import Uses, end_of, no_graph, run_of
    from gradscope.destination import Destination

    cwd = os.getcwd()
    topics = topics_of(name, target.where if os.path.isfile(target.where) else None)
    if is_rule(topics):
        raise UsageError(
            f"{name} is a rule, and only nodes are looked for in a program",
            try_next=f"gradscope trace --select {name} {target.text}",
        )
    destination = Destination(None, machine=as_json, to_stderr=False)
    try:
        recording = run_of(target, options)
    except UsageError as error:
        raise error.advising(f"explain {name}") from None
    graph = recording.graph
    # A file of Functions that runs nothing is asked for their source.
    if graph is None and (recording.backward_passes or not is_source(topics)):
        raise no_graph(target, recording, options.graph_of or 1)
    if graph is not None and not topics:
        topics = topics_in(graph, name)
        if not topics:
            raise unknown(name, names_in(graph))
    uses = Uses.of(target.text, graph, [node for topic in topics for node in topic.nodes], cwd)
    with destination.open() as out:
        _print(_shown(topics, uses, as_json=as_json), out)
    return end_of(recording)


def _shown(topics: Sequence[Topic], uses: Uses | None = None, *, as_json: bool) -> str:
    """The page, or the data as JSON: that of one topic as it is, of several as a list."""
    if as_json:
        found = [topic.data() for topic in topics]
        explained = found if len(found) > 1 else found[0]
        return json.dumps(explained if uses is None else {"explained": explained, **uses.data()}, indent=2)
    if len(topics) > 1:
        from gradscope.commands._explain_rule import RuleTopic, rule_list

        return "\n".join(rule_list([topic.rule for topic in topics if isinstance(topic, RuleTopic)]))
    [topic] = topics
    width = screen_width() if not topic.nodes else screen_width(_WIDEST)
    return "\n".join([*topic.page(width), *(uses.page(width) if uses is not None else ())])


def _print(text: str, out: TextIO | None = None) -> None:
    click.echo(text, file=out, color=False if os.environ.get("NO_COLOR") else None)
