"""Paths as reports show them: relative to the working directory where they lie below it."""

from __future__ import annotations

import os

from gradscope.finding import Location


def short_path(path: str, cwd: str) -> str:
    """`path` relative to `cwd` where it lies below it, otherwise as it is.

    Names that are not files (`<stdin>`, `<ipython-input-3-...>`) and relative paths are kept.
    """
    if not path or path.startswith("<") or not os.path.isabs(path) or not cwd:
        return path
    whole = os.path.normpath(path)
    for base in dict.fromkeys((os.path.normpath(cwd), os.path.realpath(cwd))):
        folder = base if base.endswith(os.sep) else base + os.sep
        if os.path.normcase(whole).startswith(os.path.normcase(folder)):
            return whole[len(folder) :]
    return path


def place(location: Location, cwd: str) -> str:
    """The location as editors and terminals open it: `train.py:36:13`."""
    text = f"{short_path(location.path, cwd)}:{location.line}"
    return text if location.column is None else f"{text}:{location.column}"
