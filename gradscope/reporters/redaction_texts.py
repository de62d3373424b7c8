"""What of a text may stay in a redacted report: names and counts, no paths, no source, no values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gradscope.finding import Location
from gradscope.reporters.paths import short_path

HIDDEN_PATH: Final = "<path>"
HIDDEN_TEXT: Final = "..."

_PATH: Final = re.compile(r"(?<![\w.])(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\s'\"`,;:()<>|]+")
_BACKTICKED: Final = re.compile(r"`([^`]*)`")
_VALUE: Final = re.compile(
    r"(?<![\w.])\d+(?:\.\d+)?e[+-]?\d+x?"  # 7.3e-18, 1e6x
    r"|(?<![\w.])\d+\.\d+(?:x|%)?(?![\w.]*\d)"  # 0.731, 6.8x, 12.5%; no version 2.13.0
    r"|(?<![\w.])\d+%"
)
_NUMBER: Final = re.compile(
    r"(\[[\d, ]*\]|\([\d, ]*\)|\blines? \d+)"  # an element, a shape, a line: kept
    r"|(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
)
_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.\w+)*(?:\.\*)?")
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")

Tokens = tuple[str, ...]
T = TypeVar("T")
R = TypeVar("R")


def runs(sources: Iterable[Iterable[str]]) -> Iterable[Tokens]:
    """Every three tokens that stand next to each other in a line of the sources."""
    for lines in sources:
        for line in lines:
            yield from _threes(line)


def absolute_paths(files: Iterable[str], cwd: str) -> tuple[str, ...]:
    """The absolute ones among the files and their folders, the working directory and the user's, longest
    first.
    """
    known = set(files)
    known |= {cwd, os.path.expanduser("~")} | {os.path.dirname(file) for file in known}
    return tuple(sorted((path for path in known if len(path) > 1 and os.path.isabs(path)), key=len)[::-1])


def _threes(text: str) -> Iterable[Tokens]:
    """Every three neighbouring tokens; a shorter text is no quotation."""
    tokens = _TOKEN.findall(text)
    return zip(tokens, tokens[1:], tokens[2:], strict=False)


def optional(function: Callable[[T], R], value: T | None) -> R | None:
    """What the function makes of the value; None of None."""
    return None if value is None else function(value)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is needed to redact one report: the working directory, what stands in the source, and the absolute
    paths that the report is about, longest first.
    """

    cwd: str
    source: frozenset[Tokens]
    known: tuple[str, ...]

    def path(self, path: str) -> str:
        """A path below the working directory, relative to it; any other is hidden."""
        short = short_path(path, self.cwd)
        is_hidden = os.path.isabs(short) or _PATH.fullmatch(short) or short.startswith("..")
        return HIDDEN_PATH if is_hidden else short

    def paths(self, text: str) -> str:
        """The text with every absolute path in it shortened or hidden."""
        for path in self.known:
            text = text.replace(path, self.path(path))
        return _PATH.sub(lambda found: self.path(found.group()), text)

    def message(self, text: str) -> str:
        """A rule's sentence: kept, but for paths, backticked code and measured values ("7.3e-18", "0.31")."""
        hidden = _BACKTICKED.sub(
            lambda found: found.group() if _NAME.fullmatch(found[1]) else f"`{HIDDEN_TEXT}`", text
        )
        return self.paths(_VALUE.sub(HIDDEN_TEXT, hidden))

    def without_numbers(self, text: str) -> str:
        """Only elements, shapes and lines keep their numbers: in "2 here, 1 is right" both are values."""
        return _NUMBER.sub(lambda found: found[1] or HIDDEN_TEXT, text)

    def unless_quoting(self, text: str) -> str:
        """The text, or nothing where it holds a piece of the source."""
        if any(run in self.source for run in _threes(text)):
            return ""
        return self.message(text)

    def location(self, location: Location) -> Location:
        """The place, with its path as a redacted report shows it."""
        return replace(location, path=self.path(location.path))

    def place(self, location: Location | None) -> Location | None:
        """Likewise, for a place that may be unknown."""
        return optional(self.location, location)

    def name(self, text: str) -> str:
        """A name that is one; anything else is an expression, and hidden."""
        return text if _NAME.fullmatch(text) else HIDDEN_TEXT
