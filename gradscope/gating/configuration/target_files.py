"""What a target's command key names: one target as on a command line, or every file that a pattern means."""

from __future__ import annotations

import glob
import os
import re
import shlex
from typing import Any, Final

from gradscope.config_file import ConfigFile
from gradscope.errors import closest
from gradscope.gating.configuration import values
from gradscope.patterns import PathPattern, trouble_with
from gradscope.toml_places import Path

_WILD: Final = re.compile(r"[*?\[]")
_PYTHON: Final = (".py", ".pyw")
_EXCLUDE: Final = 'exclude = ["_*.py"]'


def targets_named(file: ConfigFile, path: Path, entry: dict[str, Any], below: str = "") -> tuple[str, ...]:
    """The targets under the command key at `path` of an entry, as on a command line in the folder `below`
    that of the file; sorted.

    Raises UsageError for what can be none, for a pattern that means no file, and for an `exclude` that
    excludes nothing because there is no pattern.
    """
    command = str(path[-1])
    text = values.line(file, path, entry[command], f'{command} = "train.py"')
    excluding = (*path[:-1], "exclude")
    folder = os.path.join(os.path.dirname(file.path), below)
    is_pattern = _WILD.search(text) is not None and not os.path.exists(os.path.join(folder, text))
    if is_pattern:
        return _matching(file, path, text, folder, _excluded(file, excluding, entry.get("exclude", [])))
    if "exclude" in entry:
        what = f'exclude is for a pattern of files, and {command} names one target: "{text}"'
        raise file.wrong(excluding, what, f'{command} = "examples/*.py"')
    _check_words(file, path, text, folder)
    return (text,)


def _excluded(file: ConfigFile, path: Path, value: Any) -> tuple[PathPattern, ...]:
    patterns = values.text_or_texts(file, path, value, _EXCLUDE)
    for number, pattern in enumerate(patterns):
        if trouble := trouble_with(pattern):
            item = path if isinstance(value, str) else (*path, number)
            raise file.wrong(item, f'exclude: the pattern "{pattern}" {trouble}', _EXCLUDE)
    return tuple(PathPattern(pattern, os.path.dirname(file.path)) for pattern in patterns)


def _matching(
    file: ConfigFile, path: Path, text: str, folder: str, excluded: tuple[PathPattern, ...]
) -> tuple[str, ...]:
    """The targets of a pattern, which may bear an attribute: "models/*.py:Net"."""
    found = re.fullmatch(r"(.*[^:])(:[A-Za-z_][\w.]*)", text)
    pattern, attribute = (found[1], found[2]) if found else (text, "")
    matches = glob.glob(pattern.replace("\\", "/"), root_dir=folder, recursive=True)
    files = sorted(
        each.replace(os.sep, "/")
        for each in matches
        if each.endswith(_PYTHON) and os.path.isfile(os.path.join(folder, each))
    )
    if not files:
        others = f"; it matches {matches[0]}, which is not one" if matches else ""
        raise file.wrong(path, f'no Python file matches "{pattern}"{others}', *_instead(pattern, folder))
    kept = [each for each in files if not any(one.matches(os.path.join(folder, each)) for one in excluded)]
    if not kept:
        raise file.wrong(
            (*path[:-1], "exclude"), f'exclude leaves none of the {len(files)} files that match "{pattern}"'
        )
    return tuple(each + attribute for each in kept)


def _instead(pattern: str, folder: str) -> list[str]:
    """What to type for a pattern that means nothing: a folder of nearly that name."""
    first = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0]
    if not first or os.path.isdir(os.path.join(folder, first)):
        return []
    above = os.path.dirname(first)
    try:
        beside = [entry.name for entry in os.scandir(os.path.join(folder, above)) if entry.is_dir()]
    except OSError:
        return []
    near = closest(os.path.basename(first), beside)
    joined = f"{above}/{near[0]}" if near and above else "".join(near[:1])
    return [f'"{joined}{pattern[len(first) :]}"'] if near else []


def _check_words(file: ConfigFile, path: Path, text: str, folder: str) -> None:
    """Raises UsageError where the program's arguments, or options, stand beside its name."""
    command = path[-1]
    words = _words(text.removeprefix("-m "))
    if len(words) < 2 or os.path.exists(os.path.join(folder, text)):
        return
    name = f"-m {words[0]}" if text.startswith("-m ") else words[0]
    if words[0].endswith(_PYTHON) or ":" in words[0] or text.startswith("-m "):
        arguments = ", ".join(f'"{word}"' for word in words[1:] if word != "--")
        raise file.wrong(
            path,
            f"{command} names the target alone; what it is given stands beside it",
            f'{command} = "{name}"\n        arguments = [{arguments}]',
        )


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed
        return text.split()
