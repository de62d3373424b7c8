"""Display: one format a file. A new format is a new file and nothing else.

A format is a module of this folder that defines `render(report, out, *, color, width, cwd)` for one report
and `render_gate(gate, out, *, color, width, cwd)` for the outcomes of a gate; its name is the module's.
Where it defines `render_gate` alone, a single report is shown as a gate of one. `ENDINGS` are the file
endings that mean it. What only one screen needs lives in the `screen` package.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from types import ModuleType
from typing import Protocol, TextIO, cast

from gradscope.outcomes import GateReport, single
from gradscope.report import Report
from gradscope.reporters.redaction import redact as redacted
from gradscope.reporters.redaction_gate import redact_gate


class Render(Protocol):
    """What every format's `render` looks like."""

    def __call__(
        self, report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str
    ) -> None:
        """Writes `report` to `out`, which stays open."""


class RenderGate(Protocol):
    """What every format's `render_gate` looks like."""

    def __call__(
        self, gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str
    ) -> None:
        """Writes `gate` to `out`, which stays open."""


@cache
def _formats() -> dict[str, ModuleType]:
    found = {}
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        if {"render", "render_gate"} & vars(module).keys():
            found[info.name] = module
    return dict(sorted(found.items()))


def names() -> tuple[str, ...]:
    """The names of all formats, in alphabetical order."""
    return tuple(_formats())


def format_for(path: str) -> str | None:
    """The format that the ending of a file's name means, the longest one counts; None where it means none."""
    folded = path.casefold()
    endings = {
        ending: name for name, module in _formats().items() for ending in getattr(module, "ENDINGS", ())
    }
    meant = [ending for ending in endings if folded.endswith(ending)]
    return endings[max(meant, key=len)] if meant else None


def render(
    format_name: str,
    report: Report,
    out: TextIO,
    *,
    redact: bool = False,
    color: bool | None = None,
    width: int | None = None,
    cwd: str | None = None,
) -> None:
    """Writes `report` to the text stream `out` in the format of that name.

    `redact` keeps source text, values and absolute paths out (see `gradscope.reporters.redaction`).
    `color` None decides from the stream and the environment (NO_COLOR, FORCE_COLOR); `width` None
    takes COLUMNS, the terminal's width, or 80. Paths below `cwd` (by default the working directory)
    are shown relative to it. Raises `ValueError` for a format that does not exist.
    """
    module = _format(format_name)
    base = os.getcwd() if cwd is None else cwd
    if not hasattr(module, "render"):
        gate = single(report)  # first: how the program ended is told by facts that redaction takes out
        render_gate(format_name, gate, out, redact=redact, color=color, width=width, cwd=base)
        return
    shown = redacted(report, base) if redact else report
    cast(Render, module.render)(shown, out, color=color, width=width, cwd=base)


def render_gate(
    format_name: str,
    gate: GateReport,
    out: TextIO,
    *,
    redact: bool = False,
    color: bool | None = None,
    width: int | None = None,
    cwd: str | None = None,
) -> None:
    """Writes the outcomes of a gate to `out`; the arguments are those of `render`."""
    base = os.getcwd() if cwd is None else cwd
    shown = redact_gate(gate, base) if redact else gate
    module = _format(format_name)
    cast(RenderGate, module.render_gate)(shown, out, color=color, width=width, cwd=base)


def _format(name: str) -> ModuleType:
    formats = _formats()
    if name not in formats:
        raise ValueError(f"no format {name!r}; there are {', '.join(formats)}")
    return formats[name]
