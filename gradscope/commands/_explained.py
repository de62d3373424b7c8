"""What `gradscope explain` shows: topics with a page and data, and how a page is laid out."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import click

Row: TypeAlias = tuple[str, str]

_INDENT = "    "


class Topic(Protocol):
    """Something that can be explained. `nodes` are the names of the backward nodes that it speaks of."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names as torch gives them, without `torch::autograd::`."""
        ...

    def page(self, width: int) -> Iterator[str]:
        """The lines, none longer than `width` columns but code."""
        ...

    def data(self) -> object:
        """What JSON can hold of it."""
        ...


def screen_width(widest: int = 100) -> int:
    """Columns to write in: those of the terminal, 40 at least."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, 40), widest)


def heading(text: str, remark: str = "", width: int = 80) -> Iterator[str]:
    """An empty line, the heading in bold, and a remark behind it, or below it where it does not fit."""
    yield ""
    if not remark:
        yield click.style(text, bold=True)
    elif len(text) + 2 + len(remark) <= width:
        yield f"{click.style(text, bold=True)}  {remark}"
    else:
        yield click.style(text, bold=True)
        yield from paragraph(remark, width)


def paragraph(text: str, width: int) -> list[str]:
    """Prose, indented and wrapped."""
    return _wrapped(text, width, _INDENT, _INDENT)


def rows(pairs: Sequence[Row], width: int) -> Iterator[str]:
    """Labels and texts in two columns; where the labels take a third of the width, texts stand below them."""
    widest = max((len(label) for label, _ in pairs), default=0)
    for label, text in pairs:
        if widest > width // 3:
            yield from paragraph(label, width)
            yield from _wrapped(text, width, _INDENT * 2, _INDENT * 2)
        else:
            lead = f"{_INDENT}{label:<{widest}}  "
            yield from _wrapped(text, width, lead, " " * len(lead))


def _wrapped(text: str, width: int, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
