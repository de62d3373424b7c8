"""`[tool.gradscope]` of the nearest `pyproject.toml`: what is judged, what is silenced, what fails.

It says nothing of how a program is run or where a report goes: the same command does the same in every
folder. It is read before the program runs, and never again.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gradscope.errors import UsageError, caret, closest, did_you_mean
from gradscope.patterns import PathPattern, trouble_with
from gradscope.rule_names import rule_names

NAME: Final = "pyproject.toml"
FAIL_ON: Final = ("error", "warning", "never")
_INPUTS: Final = frozenset(("input", "inputs", "loss", "device", "seed"))
_REPORT: Final = frozenset(("format", "output", "redact"))
_RUN: Final = _INPUTS | _REPORT | {"dtype", "amp", "steps"}
_VIEW: Final = frozenset(
    ("backward", "depth", "path", "around", "reach", "colour", "color", "no_fold", "style")
)
COMMAND_LINE_ONLY: Final = {
    "trace": _RUN | {"timeline"},
    "check": _INPUTS | _REPORT | {"capture", "no_run", "against", "sweep", "time_limit"},
    "graph": _RUN | _VIEW | {"style"},
}
"""Options of a run by command, which people may look for here."""


@dataclass(frozen=True, slots=True)
class Config:
    """What one file says. `path` is absolute, "" where there is no configuration; `name` as people write it.

    `per_file_ignores` are patterns with the names of their rules; `baseline` is an absolute path.
    """

    path: str = ""
    name: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[PathPattern, tuple[str, ...]], ...] = ()
    fail_on: str | None = None
    baseline: str | None = None


def nearest(folder: str) -> Config:
    """The configuration of the nearest `pyproject.toml` in `folder` or above that has a [tool.gradscope].

    Raises UsageError for a file on the way that cannot be read: what it says is not known then.
    """
    folder = os.path.abspath(folder)
    while True:
        path = os.path.join(folder, NAME)
        if os.path.isfile(path):
            found = _read(path, display_path(path))
            if found is not None:
                return found
        if os.path.dirname(folder) == folder:
            return Config()
        folder = os.path.dirname(folder)


def from_file(typed: str) -> Config:
    """The configuration in the file of `--config`; UsageError where there is none."""
    path = os.path.abspath(typed)
    if os.path.isdir(path):
        raise UsageError(f"--config {typed} is a folder", try_next=f"--config {os.path.join(typed, NAME)}")
    if not os.path.exists(path):
        raise UsageError(f"--config {typed}: no such file", try_next=_beside(typed))
    found = _read(path, typed)
    if found is None:
        raise UsageError(
            f"--config {typed}: it has no [tool.gradscope]",
            try_next="--isolated  takes no configuration at all",
        )
    return found


def _beside(typed: str) -> str:
    """What to type for a configuration that is not there: the file most like it, or none at all."""
    folder = os.path.dirname(typed)
    names = os.listdir(folder or ".") if os.access(folder or ".", os.R_OK | os.X_OK) else []
    here = [os.path.splitext(name)[0] for name in names if name.endswith(".toml")]
    stem = os.path.splitext(os.path.basename(typed))[0]
    near = closest(stem, here) or [name for name in here if f"{name}.toml" == NAME]
    if not near:
        return "--isolated  takes no configuration at all"
    return f"--config {os.path.join(folder, near[0])}.toml"


def display_path(path: str) -> str:
    """An absolute path as one would type it here: relative to the working directory unless that is longer."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return relative if len(relative) < len(path) else path


def _read(path: str, name: str) -> Config | None:
    """The configuration in a TOML file, None where it has no [tool.gradscope]."""
    text = _text(path, name)
    try:
        table = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _not_toml(text, name, error) from None
    if not isinstance(table, dict) or "gradscope" not in table:
        return None
    return _Section(path, name, text).config(table["gradscope"])


def _text(path: str, name: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}", try_next=_WITHOUT) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{name} is not UTF-8 text (line {line})", try_next=_WITHOUT) from None


_WITHOUT: Final = "--isolated  runs without a configuration"


def _not_toml(text: str, name: str, error: Exception) -> UsageError:
    message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    at = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    where: list[str] = []
    if at:
        line, column = int(at[1]), int(at[2])
        message = message[: at.start()]
        lines = text.splitlines()
        where = [f"--> {name}:{line}:{column}"]
        if line <= len(lines):
            where += _marked(lines[line - 1], line, column - 1, column)
    return UsageError(f"{name} is not TOML: {message}", where=where, try_next=_WITHOUT)


def _marked(text: str, line: int, start: int, end: int) -> list[str]:
    return caret(text.replace("\t", " "), start, end, label=f"{line:>4} |")


@dataclass(frozen=True, slots=True)
class _Section:
    """The [tool.gradscope] of one file while it is read."""

    path: str
    name: str
    text: str

    def config(self, table: object) -> Config:
        if not isinstance(table, dict):
            raise self.wrong("gradscope", f"tool.gradscope must be a table, not {_kind(table)}")
        for key in table:
            if key not in _READERS:
                raise self.unknown(key)
        values = {key.replace("-", "_"): _READERS[key](self, key, value) for key, value in table.items()}
        return Config(self.path, self.name, **values)

    def wrong(self, key: str, what: str, *advice: str) -> UsageError:
        """The error for what stands under a key, with its line."""
        return UsageError(f"{self.name}: {what}", where=self.where(key), try_next=advice)

    def where(self, key: str) -> list[str]:
        """The line on which a key or a string of the section seems to stand, with carets under it."""
        word = re.escape(key.strip('"'))
        inside = False
        for number, line in enumerate(self.text.splitlines(), 1):
            inside = bool(re.match(r"\s*\[+\s*\"?tool\"?\s*\.\s*\"?gradscope\b", line)) or (
                inside and not re.match(r"\s*\[+[\w\".\s-]+\]+\s*(#|$)", line)
            )
            at = re.search(rf"(?<![\w-]){word}(?![\w-])", line) if inside else None
            if at and not line.lstrip().startswith("#"):
                return [f"--> {self.name}:{number}", *_marked(line, number, at.start(), at.end())]
        return []

    def unknown(self, key: str) -> UsageError:
        option = key.replace("-", "_")
        command = next((name for name, options in COMMAND_LINE_ONLY.items() if option in options), None)
        if command is not None:
            what = f"{key} says how a program is run or reported, which only the command line does"
            return self.wrong(key, what, f"gradscope {command} train.py --{key.replace('_', '-')} ...")
        guess = did_you_mean(key.replace("_", "-"), _READERS)
        keys = "the keys of [tool.gradscope] are " + ", ".join(KEYS)
        return self.wrong(key, f"unknown key {key} in [tool.gradscope]{guess}", keys)

    def strings(self, key: str, value: object, example: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong(key, f"{key} must be a list of strings, not {_kind(value)}", example)
        for item in value:
            if not isinstance(item, str):
                raise self.wrong(key, f"{key} must be a list of strings, and holds {_kind(item)}", example)
        return tuple(value)

    # ------------------------------------------------------------ one function a kind of key

    def rules(self, key: str, value: object) -> tuple[str, ...]:
        names = self.strings(key, value, f'{key} = ["GS103", "GS4"]')
        blank = next((name for name in names if not name.strip(" ,")), None)
        if blank is not None:
            raise self.wrong(key, f"{key} holds an empty string, which names no rule")
        return tuple(
            found
            for name in names
            for found in rule_names(f"{self.name}: {key}", [name], where=self.where(name) or self.where(key))
        )

    def selected(self, key: str, value: object) -> tuple[str, ...]:
        names = self.rules(key, value)
        if not names:
            raise self.wrong(key, "select is empty: no rule would be checked", "leave it out to check all")
        return names

    def per_file(self, key: str, value: object) -> tuple[tuple[PathPattern, tuple[str, ...]], ...]:
        if not isinstance(value, dict):
            what = f"{key} must be a table of patterns, not {_kind(value)}"
            raise self.wrong(key, what, f'[tool.gradscope.{key}]\n        "legacy/*" = ["GS103"]')
        for pattern in value:
            if trouble := trouble_with(pattern):
                raise self.wrong(pattern, f'{key}: the pattern "{pattern}" {trouble}')
        folder = os.path.dirname(self.path)
        return tuple(
            (PathPattern(pattern, folder), self.rules(f'"{pattern}"', names))
            for pattern, names in value.items()
        )

    def severity(self, key: str, value: object) -> str:
        if not isinstance(value, str) or value not in FAIL_ON:
            said = f'"{value}"' if isinstance(value, str) else _kind(value)
            raise self.wrong(key, f"{key} must be {_either(FAIL_ON)}, not {said}", f'{key} = "warning"')
        return value

    def file(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            said = "empty" if isinstance(value, str) else _kind(value)
            raise self.wrong(key, f"{key} must be the path of a file, not {said}", f'{key} = "baseline.json"')
        return os.path.normpath(os.path.join(os.path.dirname(self.path), value))


_READERS: Final[dict[str, Callable[[_Section, str, Any], Any]]] = {
    "select": _Section.selected,
    "ignore": _Section.rules,
    "per-file-ignores": _Section.per_file,
    "fail-on": _Section.severity,
    "baseline": _Section.file,
}
KEYS: Final = tuple(_READERS)


def _kind(value: object) -> str:
    """What TOML calls the value."""
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")


def _either(words: tuple[str, ...]) -> str:
    quoted = [f'"{word}"' for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
