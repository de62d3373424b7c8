"""A TOML file that is read as a configuration: what it says, and how it is refused, with the line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from gradscope.errors import UsageError, caret, did_you_mean
from gradscope.rule_names import rule_names
from gradscope.toml_places import Path, Place, Places, places

SECTION: Final = ("tool", "gradscope")
_WITHOUT: Final = "--isolated  runs without a configuration"


@dataclass(frozen=True)
class ConfigFile:
    """`path` is absolute, `name` as people write it; `tables` is what tomllib reads in `text`."""

    path: str
    name: str
    text: str
    tables: Mapping[str, Any]

    @classmethod
    def read(cls, path: str, name: str) -> ConfigFile:
        """The file at an absolute path; UsageError where it cannot be read or is not TOML."""
        text = _text(path, name)
        try:
            return cls(path, name, text, tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise _not_toml(text, name, error) from None

    @cached_property
    def _places(self) -> Places:
        return places(self.text)

    def place(self, path: Path) -> Place | None:
        """Where a key stands, or an item of a list; None for what the file does not hold."""
        return self._places.keys.get(path) or self._places.values.get(path)

    def where(self, path: Path) -> list[str]:
        """The line on which a key or an item stands, with carets under it."""
        place = self.place(path)
        if place is None:
            return []
        text = self.text.split("\n")[place.line - 1].rstrip("\r")
        return [f"--> {self.name}:{place.line}", *_marked(text, place.line, place.start, place.end)]

    def wrong(self, path: Path, what: str, *advice: str) -> UsageError:
        """The error for what stands under a key or as an item, with its line."""
        return UsageError(f"{self.name}: {what}", where=self.where(path), try_next=advice)

    def unknown(self, path: Path, table: str, keys: Iterable[str], guess: str = "") -> UsageError:
        """The error for a key that a table does not have; `guess` is what was meant, where that is known."""
        key, known = str(path[-1]), list(keys)
        meant = f"; did you mean {guess}?" if guess else did_you_mean(key.replace("_", "-"), known)
        return self.wrong(
            path, f"unknown key {key} in {table}{meant}", f"the keys of {table} are {', '.join(known)}"
        )

    def strings(self, path: Path, value: object, example: str, shown: str = "") -> tuple[str, ...]:
        """The strings of a list; the key is called `shown` where that is given."""
        key = shown or path[-1]
        if not isinstance(value, list):
            raise self.wrong(path, f"{key} must be a list of strings, not {kind(value)}", example)
        for number, item in enumerate(value):
            if not isinstance(item, str):
                what = f"{key} must be a list of strings, and holds {kind(item)}"
                raise self.wrong((*path, number), what, example)
        return tuple(value)

    def one_of(self, path: Path, value: object, words: Iterable[str]) -> str:
        """One of a few words."""
        known, key = tuple(words), path[-1]
        if not isinstance(value, str) or value not in known:
            said = f'"{value}"{did_you_mean(value, known)}' if isinstance(value, str) else kind(value)
            what = f"{key} must be {either(known)}, not {said}"
            raise self.wrong(path, what, f'{key} = "{known[min(1, len(known) - 1)]}"')
        return value

    def rules(self, path: Path, value: object, shown: str = "") -> tuple[str, ...]:
        """The names of rules in a list of codes, prefixes and slugs, each of which may be a comma list."""
        key = shown or path[-1]
        found: list[str] = []
        for number, text in enumerate(self.strings(path, value, f'{key} = ["GS103", "GS4"]', shown)):
            item = (*path, number)
            if not text.strip(" ,"):
                raise self.wrong(item, f"{key} holds an empty string, which names no rule")
            found += rule_names(f"{self.name}: {key}", [text], where=self.where(item))
        return tuple(found)


def kind(value: object) -> str:
    """What TOML calls the value."""
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")


def either(words: Iterable[str]) -> str:
    """The words in quotes: "a", "b" or "c"."""
    quoted = [f'"{word}"' for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}" if len(quoted) > 1 else quoted[0]


def _text(path: str, name: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}", try_next=_WITHOUT) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{name} is not UTF-8 text (line {line})", try_next=_WITHOUT) from None


def _not_toml(text: str, name: str, error: Exception) -> UsageError:
    message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    at = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    where: list[str] = []
    if at:
        line, column = int(at[1]), int(at[2])
        message = message[: at.start()]
        lines = text.split("\n")
        where = [f"--> {name}:{line}:{column}"]
        if line <= len(lines):
            where += _marked(lines[line - 1].rstrip("\r"), line, column - 1, column)
    return UsageError(f"{name} is not TOML: {message}", where=where, try_next=_WITHOUT)


def _marked(text: str, line: int, start: int, end: int) -> list[str]:
    return caret(text.replace("\t", " "), start, end, label=f"{line:>4} |")
