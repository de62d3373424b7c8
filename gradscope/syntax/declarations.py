"""Comments that declare an approximation: `# gradscope: approximate[straight-through]`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from contextlib import suppress
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

_COMMENT = re.compile(r"#\s*gradscope\s*:\s*approximate\s*\[\s*([\w][\w /.+-]*?)\s*\]", re.IGNORECASE)
_MEANT = re.compile(r"#\s*([a-z]+)(\s*[:=]\s*|\s+)([a-z][\w-]*)\s*([\[(]?)", re.IGNORECASE)
_LIKE = 0.8  # of difflib's ratio: one or two letters of a word are wrong


class Declared(NamedTuple):
    """The word in the brackets, and its line; columns (1-based, characters) are those of the comment."""

    kind: str
    line: int
    column: int
    end_column: int


def declaration(source: str, lines: Iterable[int]) -> Declared | None:
    """The declaration on one of these lines, or on a line of its own directly above one of them."""
    comments = _comments(source)
    for line in lines:
        for place in (line, *_above(source, line)):
            text, column = comments.get(place, ("", 0))
            match = _COMMENT.search(text)
            if match is not None:
                return Declared(match.group(1).lower(), place, column + 1, column + len(text) + 1)
    return None


def mistyped_declaration(source: str, lines: Iterable[int]) -> tuple[int, str] | None:
    """(line, comment) of a comment there that seems to declare an approximation, and does not."""
    comments = _comments(source)
    for line in lines:
        for place in (line, *_above(source, line)):
            text, _ = comments.get(place, ("", 0))
            if _is_meant(text) and not _COMMENT.search(text):
                return place, text
    return None


def _is_meant(comment: str) -> bool:
    """Whether a comment speaks to gradscope, and not to silence a finding."""
    match = _MEANT.match(comment)
    if match is None:
        return False
    name, between, word, bracket = match.groups()
    if not _is_like(name, "gradscope") or _is_like(word, "ignore"):
        return False
    return between.strip() != "" or (bracket != "" and _is_like(word, "approximate"))


def _is_like(word: str, other: str) -> bool:
    return SequenceMatcher(None, word.lower(), other).ratio() >= _LIKE


def _above(source: str, line: int) -> list[int]:
    """The lines directly above that hold nothing but a comment, nearest first."""
    texts, found = source.split("\n"), []
    while 1 < line <= len(texts) + 1 and texts[line - 2].lstrip().startswith("#"):
        line -= 1
        found.append(line)
    return found


@lru_cache(maxsize=64)
def _comments(source: str) -> dict[int, tuple[str, int]]:
    """Line -> (comment, column from 0); a `#` inside a string is none."""
    found = {}
    # Text that does not parse to its end: the comments before that place count.
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = (token.string, token.start[1])
    return found
