"""Pictures of an autograd graph, one format a file: what it is called, its suffixes, and how it is drawn.

A format is a module of this folder with `SUFFIXES`, the endings of file names that mean it, and
`render(subject, view)`, which gives the files it is made of. Adding one is adding a file; names that begin
with an underscore are shared by several.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import NamedTuple, Protocol, cast

from gradscope.autograd_graph.drawing import Subject, View


class Part(NamedTuple):
    """One file of a picture. `ending` takes the place of the suffix that was asked for; "" keeps it."""

    content: bytes
    ending: str = ""


class Format(Protocol):
    """What a module of this folder offers."""

    SUFFIXES: tuple[str, ...]

    def render(self, subject: Subject, view: View) -> tuple[Part, ...]:
        """The files of the picture, the one that was asked for first.

        Raises PictureError where it cannot be drawn here.
        """
        ...


@cache
def names() -> list[str]:
    """The names of the formats: "model-explorer" is drawn by `model_explorer.py`."""
    return sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    )


def format_named(name: str) -> Format:
    """The format of that name, which must exist."""
    return cast(Format, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def format_for(path: str) -> str | None:
    """The name of the format that a file name's ending means, None for no such ending."""
    ending = path.casefold()
    return next((name for name in names() if ending.endswith(format_named(name).SUFFIXES)), None)
