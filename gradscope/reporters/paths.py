"""Paths as reports show them: relative to the working directory where they lie below it."""

from __future__ import annotations

import os
from functools import lru_cache

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


def in_package(path: str) -> str:
    """The path from the folder of the installed package on that it lies in, empty where it lies in none."""
    for folder in ("/site-packages/", "\\site-packages\\", "/dist-packages/"):
        _, found, inside = path.rpartition(folder)
        if found:
            return inside
    return ""


@lru_cache(maxsize=1024)
def file_name(path: str, cwd: str) -> str:
    """The path without where it lies on this machine: from `cwd` or from an installed package on.

    Of a file that lies elsewhere the name alone.
    """
    inside = in_package(path)
    if inside:
        return inside.replace("\\", "/")
    short = short_path(path, cwd)
    return os.path.basename(short) if os.path.isabs(short) else short.replace(os.sep, "/")


def near(location: Location, cwd: str) -> str:
    """`train.py:36`, with no more of the path than `file_name` tells."""
    return f"{file_name(location.path, cwd)}:{location.line}"
