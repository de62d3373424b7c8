"""Texts of the program as the page of Model Explorer may have them, and shapes as it shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from gradscope.errors import printable
from gradscope.reporters.pictures._explorer.shapes import KeyValue
from gradscope.reporters.screen.words import clip_end

NAMELESS: Final = "(no name)"
_LONGEST: Final = 300
_WIDEST: Final = 60


def shown(text: str) -> str:
    """A text without control characters, of bounded length."""
    text = printable(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


@lru_cache(maxsize=4096)
def label(text: str) -> str:
    """A name as it stands on a node: on one line, of a width that leaves room for others."""
    return clip_end(" ".join(shown(text).split()), _WIDEST) or NAMELESS


def shape(sizes: Sequence[int], dtype: str) -> Iterator[KeyValue]:
    """What is said of an output. The page shows the shape at edges, its "x" as a sign of multiplication."""
    yield KeyValue("shape", "x".join("?" if size < 0 else str(size) for size in sizes) or "scalar")
    if dtype:
        yield KeyValue("dtype", dtype)
