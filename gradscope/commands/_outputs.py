"""The files of a gate: every `--output [FORMAT:]FILE`, opened before anything runs, and the one on stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradscope.commands._formats import chosen_format
from gradscope.errors import OutputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from gradscope.destination import Destination
    from gradscope.outcomes import GateReport


@dataclass(frozen=True, slots=True)
class Output:
    """One report: its format, where it goes, and its file as it was typed ("" for stdout)."""

    format_name: str
    destination: Destination
    name: str = ""


def outputs(format_name: str | None, typed: Sequence[str]) -> tuple[Output, ...]:
    """The report on stdout first, then the files. Raises UsageError for one that cannot be written."""
    from gradscope.destination import Destination

    main = chosen_format(format_name, None)
    named = [_read(each) for each in typed]
    _check(main, named)
    if sys.stdout is None and (main != "text" or any(file == "-" for _, file in named)):
        what = "stdout is closed, and the report cannot be written to it"
        raise OutputError(what, try_next=f"--output {main}:FILE")
    opened = [Output(main, Destination(None, machine=False, to_stderr=False))]
    for chosen, file in named:
        on_stdout = file == "-"
        destination = Destination(None if on_stdout else file, machine=False, to_stderr=False)
        opened.append(Output(chosen, destination, "" if on_stdout else file))
    return tuple(opened)


def _read(typed: str) -> tuple[str, str]:
    """The format and the file of one option: `gitlab:quality.json`, `gate.sarif`, `github:-`."""
    from gradscope import reporters

    head, colon, rest = typed.partition(":")
    if colon and head in reporters.names():
        if not rest:
            raise UsageError(f"--output {typed}: no file is named", try_next=f"--output {head}:FILE")
        return head, rest
    found = reporters.format_for(typed)
    if found is None:
        known = ", ".join(reporters.names())
        guess = did_you_mean(head, reporters.names()) if colon else ""
        raise UsageError(
            f"--output {typed}: its ending names no format{guess}",
            try_next=(f"--output FORMAT:{rest or typed}", f"FORMAT is one of {known}"),
        )
    return found, typed


def _check(main: str, named: Sequence[tuple[str, str]]) -> None:
    files = [os.path.realpath(file) for _, file in named if file != "-"]
    twice = next((file for _, file in named if file != "-" and files.count(os.path.realpath(file)) > 1), None)
    if twice is not None:
        raise UsageError(f"--output {twice} is given twice; one would overwrite the other")
    on_stdout = [chosen for chosen, file in named if file == "-"]
    if on_stdout and main != "text":
        raise UsageError(
            f"--format {main} and --output {on_stdout[0]}:- would both stand on stdout",
            try_next=f"--output {main}:FILE",
        )


def check_kept(opened: Sequence[Output], kept: Iterable[tuple[str, str]]) -> None:
    """Raises UsageError for a report that would take the place of a file that is not to be lost.

    `kept` are absolute paths, each with what stands there: "the baseline".
    """
    whose = {os.path.realpath(path): what for path, what in kept}
    for each in opened:
        path = each.destination.path
        what = whose.get(os.path.realpath(path)) if path is not None else None
        if what is not None:
            raise UsageError(f"--output {each.name}: {what} stands there, and would be overwritten")


def write_all(
    opened: Sequence[Output], gate: GateReport, started_in: str, *, redact: bool
) -> dict[str, OutputError]:
    """Writes every report that can be written; returns why others were not, by the names of their files.

    Paths in the reports are told from `started_in` on.
    """
    from gradscope import reporters

    failed: dict[str, OutputError] = {}
    with contextlib.chdir(started_in):
        for output in opened:
            try:
                with output.destination.open() as out:
                    reporters.render_gate(output.format_name, gate, out, redact=redact)
            except OutputError as error:
                failed[output.name] = error
            except BrokenPipeError:  # of a named pipe; stdout's own is none of our business
                failed[output.name] = OutputError(f"nobody reads {output.name} any more")
    return failed
