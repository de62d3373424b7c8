"""`[tool.gradscope]` of the nearest `pyproject.toml`: what is judged, what is silenced, what fails.

It says nothing of how a program is run or where a report goes: the same command does the same in every
folder. Only `[tool.gradscope.gate]` lists programs; `gradscope.gating` reads it. All of it is read before the
program runs, and never again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gradscope.config_file import SECTION, ConfigFile, kind
from gradscope.errors import UsageError, closest
from gradscope.patterns import PathPattern, trouble_with

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
    file = ConfigFile.read(path, name)
    table = file.tables.get("tool", {})
    if not isinstance(table, dict) or "gradscope" not in table:
        return None
    return _config(file, table["gradscope"])


def _config(file: ConfigFile, table: object) -> Config:
    if not isinstance(table, dict):
        raise file.wrong(SECTION, f"tool.gradscope must be a table, not {kind(table)}")
    for key in table:
        if key not in KEYS:
            raise _unknown(file, key)
    _check_gate(file, table.get(GATE, {}))
    values = {
        key.replace("-", "_"): _READERS[key](file, key, value) for key, value in table.items() if key != GATE
    }
    return Config(file.path, file.name, **values)


def _unknown(file: ConfigFile, key: str) -> UsageError:
    option = key.replace("-", "_")
    command = next((name for name, options in COMMAND_LINE_ONLY.items() if option in options), None)
    if command is None:
        return file.unknown((*SECTION, key), "[tool.gradscope]", KEYS)
    what = f"{key} says how a program is reported, which only the command line does"
    if option not in _REPORT:
        what = f"{key} says how a program is run, which the command line does, or a target of the gate"
    advice = f"gradscope {command} train.py --{key.replace('_', '-')} ..."
    return file.wrong((*SECTION, key), what, advice)


def _check_gate(file: ConfigFile, value: object) -> None:
    if not isinstance(value, dict):
        what = f"{GATE} must be a table, not {kind(value)}"
        raise file.wrong((*SECTION, GATE), what, "gradscope gate --init  writes one")


# ---------------------------------------------------------------- one function a kind of key


def _rules(file: ConfigFile, key: str, value: object) -> tuple[str, ...]:
    return file.rules((*SECTION, key), value)


def _selected(file: ConfigFile, key: str, value: object) -> tuple[str, ...]:
    names = _rules(file, key, value)
    if not names:
        what = "select is empty: no rule would be checked"
        raise file.wrong((*SECTION, key), what, "leave it out to check all")
    return names


def _per_file(file: ConfigFile, key: str, value: object) -> tuple[tuple[PathPattern, tuple[str, ...]], ...]:
    path = (*SECTION, key)
    if not isinstance(value, dict):
        what = f"{key} must be a table of patterns, not {kind(value)}"
        raise file.wrong(path, what, f'[tool.gradscope.{key}]\n        "legacy/*" = ["GS103"]')
    for pattern in value:
        if trouble := trouble_with(pattern):
            raise file.wrong((*path, pattern), f'{key}: the pattern "{pattern}" {trouble}')
    folder = os.path.dirname(file.path)
    return tuple(
        (PathPattern(pattern, folder), file.rules((*path, pattern), names, f'"{pattern}"'))
        for pattern, names in value.items()
    )


def _severity(file: ConfigFile, key: str, value: object) -> str:
    return file.one_of((*SECTION, key), value, FAIL_ON)


def _path(file: ConfigFile, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        said = "empty" if isinstance(value, str) else kind(value)
        what = f"{key} must be the path of a file, not {said}"
        raise file.wrong((*SECTION, key), what, f'{key} = "baseline.json"')
    return os.path.normpath(os.path.join(os.path.dirname(file.path), value))


_READERS: Final[dict[str, Callable[[ConfigFile, str, Any], Any]]] = {
    "select": _selected,
    "ignore": _rules,
    "per-file-ignores": _per_file,
    "fail-on": _severity,
    "baseline": _path,
}
GATE: Final = "gate"
KEYS: Final = (*_READERS, GATE)
