"""Where the keys and values of a TOML text stand: `tomllib` gives what a file says, and not where.

The text must be one that tomllib reads: nothing is checked here.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and, from 0, numbers of a list's items: ("tool", "gradscope", "ignore", 1)."""

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_GAP: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'", re.DOTALL
)
_OTHER: Final = re.compile(r"[^,\]}#\n]*")  # a number, a date, true or false


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a text, from 1, and the columns of something on it, from 0; `end` is exclusive."""

    line: int
    start: int
    end: int


@dataclass(slots=True)
class Places:
    """`keys` are the places of keys, `values` those of what stands for them, and of the items of lists.

    A string's place is what stands between its quotes; what goes on over several lines has the first one's.
    A table has the place of the first of its headers.
    """

    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)


def places(text: str) -> Places:
    """The places of everything in a TOML text."""
    scan = _Scan(text)
    scan.document()
    return scan.found


@dataclass(slots=True)
class _Scan:
    """A text while it is read; `at` is how far, `entries` counts the tables of every array of tables."""

    text: str
    at: int = 0
    found: Places = field(default_factory=Places)
    entries: Counter[Path] = field(default_factory=Counter)

    def document(self) -> None:
        table: Path = ()
        while self._skipped(_SPACE) < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)

    def _skipped(self, what: re.Pattern[str]) -> int:
        """The position after what matches here, be it nothing; reading goes on there."""
        found = what.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _place(self, start: int, end: int) -> Place:
        """The place of a part of the text, as far as its first line goes."""
        begin = self.text.rfind("\n", 0, start) + 1
        stop = self.text.find("\n", start)
        last = end if stop < 0 else min(end, stop)
        return Place(self.text.count("\n", 0, start) + 1, start - begin, max(last, start) - begin)

    def _header(self) -> Path:
        """Reads [a.b] or [[a.b]]; the path of the table that it opens."""
        is_entry = self.text.startswith("[[", self.at)
        self.at += 2 if is_entry else 1
        path: Path = ()
        words = self._dotted()
        for number, (word, place) in enumerate(words, 1):
            path = (*path, word)
            self.found.keys.setdefault(path, place)
            if number == len(words) and is_entry:
                self.entries[path] += 1
            if path in self.entries:
                path = (*path, self.entries[path] - 1)
                self.found.values.setdefault(path, place)
        self.at += 2 if is_entry else 1
        return path

    def _pair(self, table: Path) -> None:
        """Reads a.b = value."""
        path = table
        for word, place in self._dotted():
            path = (*path, word)
            self.found.keys.setdefault(path, place)
        self.at += 1
        self._skipped(_GAP)
        self._value(path)

    def _dotted(self) -> list[tuple[str, Place]]:
        """Reads a."b".c, up to what stands behind it: the words and their places."""
        words = []
        while True:
            self._skipped(_GAP)
            start = self.at
            quoted = self.text[start] in "\"'"
            end = self._skipped(_STRING if quoted else _BARE_KEY)
            raw = self.text[start:end]
            word = str(tomllib.loads(f"k = {raw}")["k"]) if quoted else raw
            words.append((word, self._place(start + quoted, end - quoted)))
            if self.text[self._skipped(_GAP)] != ".":
                return words
            self.at += 1

    def _value(self, path: Path) -> None:
        start = self.at
        match self.text[start]:
            case "[":
                self._list(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                end = self._skipped(_STRING)
                edge = 3 if self.text.startswith(('"""', "'''"), start) else 1
                self.found.values[path] = self._place(start + edge, end - edge)
                return
            case _:
                raw = self.text[start : self._skipped(_OTHER)]
                self.found.values[path] = self._place(start, start + len(raw.rstrip()))
                return
        self.found.values[path] = self._place(start, self.at)

    def _list(self, path: Path) -> None:
        self.at += 1
        number = 0
        while self.text[self._skipped(_SPACE)] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._value((*path, number))
            number += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self.text[self._skipped(_SPACE)] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1
