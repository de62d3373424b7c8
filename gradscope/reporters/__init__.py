"""Display: one format a file, each with `render(report, out, *, color, width, cwd)`.

A format is a module of this folder that defines `render`; its name is the module's. A new format is a
new file and nothing else. What only one screen needs lives in the `screen` package.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from typing import Protocol, TextIO, cast

from gradscope.report import Report
from gradscope.reporters.redaction import redact as redacted


class Render(Protocol):
    """What every format's `render` looks like."""

    def __call__(
        self, report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str
    ) -> None:
        """Writes `report` to `out`, which stays open."""


@cache
def _formats() -> dict[str, Render]:
    found: dict[str, Render] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        if "render" in vars(module):
            found[info.name] = cast(Render, module.render)
    return dict(sorted(found.items()))


def names() -> tuple[str, ...]:
    """The names of all formats, in alphabetical order."""
    return tuple(_formats())


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
    formats = _formats()
    if format_name not in formats:
        raise ValueError(f"no format {format_name!r}; there are {', '.join(formats)}")
    base = os.getcwd() if cwd is None else cwd
    if redact:
        report = redacted(report, base)
    formats[format_name](report, out, color=color, width=width, cwd=base)
