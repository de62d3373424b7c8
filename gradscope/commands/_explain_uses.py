"""Where in a program a node occurs: the program is run, and the graph of one of its backwards looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from gradscope.commands._explained import heading
from gradscope.errors import UsageError, printable
from gradscope.exits import ExitStatus

if TYPE_CHECKING:
    from gradscope.facts import Recording
    from gradscope.facts.graph import AutogradGraph
    from gradscope.finding import Location
    from gradscope.formulas.uses import Use
    from gradscope.loader.options import Options
    from gradscope.loader.target import Target


@dataclass(frozen=True)
class Uses:
    """The uses of nodes of some names in the graph of a target's backward; None where it ran none."""

    target: str
    graph: AutogradGraph | None
    names: tuple[str, ...]
    uses: tuple[Use, ...]
    cwd: str

    @classmethod
    def of(cls, target: str, graph: AutogradGraph | None, names: Sequence[str], cwd: str) -> Uses:
        """The uses in a graph; paths are shown relative to `cwd`."""
        from gradscope.formulas.uses import uses_of

        return cls(target, graph, tuple(names), () if graph is None else uses_of(graph, names), cwd)

    def page(self, width: int) -> Iterator[str]:
        """A line for each use, in the order of the forward."""
        yield from heading(f"Used in {printable(self.target)}", self._summary(), width)
        if self.uses:
            yield from _table([self._cells(use) for use in self.uses], width)

    def data(self) -> dict[str, object]:
        """Counts, places and shapes."""
        return {
            "target": self.target,
            "backward": None if self.graph is None else self.graph.number,
            "nodes": 0 if self.graph is None else len(self.graph.nodes),
            "uses": [asdict(use) for use in self.uses],
        }

    def _summary(self) -> str:
        if self.graph is None:
            return "it ran no backward, so there are no lines to list"
        count = sum(use.count for use in self.uses)
        nodes = f"{len(self.graph.nodes):,} node{'s' if len(self.graph.nodes) != 1 else ''}"
        at = f" at {self._place(self.graph.backward)}" if self.graph.backward is not None else ""
        number = "none" if count == 0 else f"{count:,}"
        return f"{number} of the {nodes} of backward {self.graph.number}{at}"

    def _cells(self, use: Use) -> tuple[str, ...]:
        shapes = ", ".join("x".join(map(str, shape)) or "scalar" for shape in use.shapes)
        name = use.node if len(self.names) > 1 else ""
        where = "leaf" if use.leaves else "line unknown"
        where = self._place(use.location) if use.location is not None else where
        return (
            f"{use.count:,}x",
            name,
            where,
            shapes,
            " ".join(use.expression.split()),
            _several(use.leaves) or _several(use.modules, "in "),
        )

    def _place(self, location: Location) -> str:
        from gradscope.reporters.paths import short_path

        return f"{printable(short_path(location.path, self.cwd))}:{location.line}"


def run_of(target: Target, options: Options) -> Recording:
    """Runs the target, with the graph that `options.graph_of` asks for, where there is such a one."""
    from gradscope.commands._running import recorded

    return recorded(target, options, lambda _: ())


def end_of(recording: Recording) -> ExitStatus:
    """The exit status that the program's end asks for; its own traceback is shown."""
    program = recording.program
    if program.error is not None:
        click.echo(program.error.rendered, err=True, nl=False)
    if program.interrupted:
        return ExitStatus.INTERRUPTED
    failed = program.error is not None or program.exit_status != 0
    return ExitStatus.PROGRAM_FAILED if failed else ExitStatus.OK


def no_graph(target: Target, recording: Recording, number: int) -> UsageError:
    """What to say where there is no graph to look at; the program's own traceback is shown."""
    count = recording.backward_passes
    error = recording.program.error
    if error is not None:
        click.echo(error.rendered, err=True, nl=False)
    if count:
        passes = "1 backward was" if count == 1 else f"{count:,} backwards were"
        return UsageError(f"--backward {number}: only {passes} run", try_next=f"--backward {count}")
    return UsageError(
        f"{target.text} ran no backward, so there is no graph to look for nodes in",
        where=tuple(recording.notes),
        try_next=f"gradscope trace {target.text}",
    )


def _several(names: Sequence[str], lead: str = "") -> str:
    """ "in model.h.0.attn and 11 more"."""
    if not names:
        return ""
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"{lead}{printable(names[0])}{more}"


def _cut(text: str, room: int) -> str:
    """The text, or what there is room for; nothing where that says nothing."""
    if len(text) <= room:
        return text
    return f"{text[: room - 4].rstrip()} ..." if room > 12 else ""


def _table(cells: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Columns as wide as their texts, the source cut to what is left; modules below where they do not fit."""
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for row in cells:
        count, *others = row[:4]
        texts = [f"{count:>{widths[0]}}"]
        texts += [f"{each:<{size}}" for each, size in zip(others, widths[1:], strict=True) if size]
        lead = "    " + "  ".join(texts)
        expression, modules = printable(row[4]), row[5]
        room = width - len(lead) - 2
        line = f"{lead}  {_cut(expression, room)}".rstrip()
        if modules and len(line) + 2 + len(modules) <= width:
            yield f"{line}  {modules}"
        else:
            yield line
            if modules:
                yield " " * (6 + widths[0]) + modules
