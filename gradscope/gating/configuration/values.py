"""What stands behind a key of the gate's configuration: one function a kind of value.

Each returns what was meant, or raises UsageError with the line, what is wrong, and how it is written.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from gradscope.config_file import ConfigFile, kind
from gradscope.errors import UsageError, did_you_mean
from gradscope.loader.options import LOSSES
from gradscope.memory_use.budget import parse_budget
from gradscope.toml_places import Path

Reader: TypeAlias = Callable[[ConfigFile, Path, Any, str], Any]
"""Called with the file, the path of the key, what stands there and an example of the key."""

_LARGEST: Final = 2**63 - 1


def text(file: ConfigFile, path: Path, value: Any, example: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value.strip():
        said = "an empty string" if isinstance(value, str) else kind(value)
        raise file.wrong(path, f"{path[-1]} must be a string, not {said}", example)
    return value


def line(file: ConfigFile, path: Path, value: Any, example: str) -> str:
    """A string on one line, without control characters."""
    found = text(file, path, value, example).strip()
    if not found.isprintable():
        raise file.wrong(path, f"{path[-1]} holds a character that is not printed", example)
    return found


def folder(file: ConfigFile, path: Path, value: Any) -> str:
    """A folder below that of the file, relative to it, with `/`."""
    found = line(file, path, value, 'folder = "examples/mnist"')
    below = os.path.normpath(found).replace(os.sep, "/")
    if os.path.isabs(found) or below.split("/")[0] == os.pardir:
        raise file.wrong(path, f"folder must lie below that of {file.name}, and {found} does not")
    if not os.path.isdir(os.path.join(os.path.dirname(file.path), below)):
        raise file.wrong(path, f"there is no folder {found}")
    return "" if below == os.curdir else below


def texts(file: ConfigFile, path: Path, value: Any, example: str) -> tuple[str, ...]:
    """A list of strings, which may be empty."""
    return file.strings(path, value, example)


def text_or_texts(file: ConfigFile, path: Path, value: Any, example: str) -> tuple[str, ...]:
    """A string, or a list of strings none of which is empty."""
    listed = [value] if isinstance(value, str) else value
    found = file.strings(path, listed, example)
    for number, each in enumerate(found):
        if not each.strip():
            item = path if isinstance(value, str) else (*path, number)
            raise file.wrong(item, f"{path[-1]} holds an empty string", example)
    return found


def switch(file: ConfigFile, path: Path, value: Any, example: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise file.wrong(path, f"{path[-1]} must be true or false, not {kind(value)}", example)
    return value


def whole(least: int, most: int = _LARGEST) -> Reader:
    """A whole number between two others."""

    def read(file: ConfigFile, path: Path, value: Any, example: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        bounds = f"from {least} up" if most == _LARGEST else f"from {least} to {most}"
        what = f"{path[-1]} must be a whole number {bounds}, not {_said(value)}"
        raise file.wrong(path, what, example)

    return read


def above(bound: float, what: str) -> Reader:
    """A finite number above another one; `what` is what it is: "seconds", "a ratio"."""

    def read(file: ConfigFile, path: Path, value: Any, example: str) -> float:
        if _is_number(value) and bound < value < math.inf:
            return float(value)
        raise file.wrong(path, f"{path[-1]} must be {what} above {bound:g}, not {_said(value)}", example)

    return read


def share(file: ConfigFile, path: Path, value: Any, example: str) -> float:
    """A number from 0 to 1."""
    if _is_number(value) and 0 <= value <= 1:
        return float(value)
    percent = f"; {value}% is {value / 100:g}" if _is_number(value) and 1 < value <= 100 else ""
    raise file.wrong(path, f"{path[-1]} must be from 0 to 1, not {_said(value)}{percent}", example)


def size(file: ConfigFile, path: Path, value: Any, example: str) -> int:
    """An amount of memory in bytes: a number of them, or "4 GiB"."""
    found = parse_budget(budget(file, path, value, example))
    if not found.size:
        raise file.wrong(path, f"{path[-1]} must be an amount of memory above 0, not {_said(value)}", example)
    return found.size


def budget(file: ConfigFile, path: Path, value: Any, example: str) -> str:
    """An amount of memory or a share of it, as `--budget` takes them."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_whole and not isinstance(value, str):
        said = f"{path[-1]} must be an amount of memory, not {_said(value)}"
        raise file.wrong(path, said, example)
    try:
        parse_budget(str(value), f"{path[-1]}:")
    except UsageError as error:
        raise file.wrong(path, error.what, example) from None
    return str(value)


def one_of(words: Mapping[str, str] | Iterable[str]) -> Reader:
    """One of a few words; of a mapping, what it stands for."""
    meant = dict(words) if isinstance(words, Mapping) else {word: word for word in words}

    def read(file: ConfigFile, path: Path, value: Any, _example: str) -> str:
        return meant[file.one_of(path, value, meant)]

    return read


def rules(file: ConfigFile, path: Path, value: Any, _example: str) -> tuple[str, ...]:
    """Names of rules."""
    return file.rules(path, value)


def some_rules(file: ConfigFile, path: Path, value: Any, example: str) -> tuple[str, ...]:
    """Names of rules, one at least."""
    found = file.rules(path, value)
    if not found:
        raise file.wrong(path, f"{path[-1]} is empty: no rule would be checked", "leave it out to check all")
    return found


def loss(file: ConfigFile, path: Path, value: Any, example: str) -> str:
    """A loss by its name, or FILE:FUNCTION."""
    found = text(file, path, value, example)
    if found not in LOSSES and ":" not in found:
        what = f"loss {found} is none of {', '.join(LOSSES)}{did_you_mean(found, LOSSES)}"
        raise file.wrong(path, what, 'loss = "losses.py:my_loss"')
    return found


def environment(file: ConfigFile, path: Path, value: Any, example: str) -> tuple[tuple[str, str], ...]:
    """A table of strings: variables of the process and their values."""
    if not isinstance(value, dict):
        raise file.wrong(path, f"environment must be a table of strings, not {kind(value)}", example)
    for name, setting in value.items():
        if not isinstance(setting, str):
            said = f"environment must be a table of strings, and {name} is {_said(setting)}"
            raise file.wrong((*path, name), said, f'{name} = "{setting}"' if _is_number(setting) else example)
        if not name or "=" in name or "\0" in name + setting:
            raise file.wrong((*path, name), f"{name or 'an empty name'} cannot be an environment variable")
    return tuple(value.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any) -> str:
    """A value as it is told in an error."""
    return f"{value}" if _is_number(value) else f'"{value}"' if isinstance(value, str) else kind(value)
