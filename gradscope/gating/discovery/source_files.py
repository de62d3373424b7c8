"""The Python files of a repository that are its own: not ignored by git, not tests, not installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_ENDINGS: Final = (".py", ".pyw")
_TESTS: Final = ("test", "testing", "tests")
_INSTALLED: Final = ("env", "node_modules", "site-packages", "third_party", "vendor", "venv")
_FOLDERS: Final = frozenset((*_TESTS, *_INSTALLED, "__pycache__", "build", "dist"))
_FILES: Final = frozenset(("conftest.py", "hubconf.py", "noxfile.py", "setup.py"))
_MOST: Final = 5000
_GIT_SECONDS: Final = 20
_ENVIRONMENT: Final = "pyvenv.cfg"
"""What every virtual environment holds, whatever it is called."""


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Paths below a folder, with `/`, the shortest first; `more` counts those that were too many."""

    paths: tuple[str, ...]
    more: int = 0


def source_files(folder: str) -> SourceFiles:
    """The programs of the repository that `folder` is in, below `folder`.

    Git says which files it ignores; where there is no git, only names are gone by.
    """
    listed = _known_to_git(folder)
    found = _walked(folder) if listed is None else _checked(folder, listed)
    paths = sorted({path for path in found if _is_program(path)}, key=lambda path: (path.count("/"), path))
    return SourceFiles(tuple(paths[:_MOST]), max(0, len(paths) - _MOST))


def _is_program(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    if any(part.startswith(".") or part.casefold() in _FOLDERS for part in folders):
        return False
    stem, ending = os.path.splitext(name)
    is_test = stem.startswith("test_") or stem.endswith("_test")
    return ending in _ENDINGS and not is_test and name not in _FILES and not name.startswith(".")


def _known_to_git(folder: str) -> list[str] | None:
    """What git has there or would take in; None where it cannot say."""
    command = ["git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others"]
    patterns = [f"*{ending}" for ending in _ENDINGS]
    try:
        done = subprocess.run(
            [*command, "--exclude-standard", "--", *patterns],
            cwd=folder,
            capture_output=True,
            timeout=_GIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _checked(folder: str, paths: list[str]) -> Iterator[str]:
    """Those paths that are files now, and in no virtual environment."""
    environments: dict[str, bool] = {}
    for path in paths:
        parents = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
        for parent in parents:
            if parent not in environments:
                environments[parent] = os.path.exists(os.path.join(folder, parent, _ENVIRONMENT))
        whole = os.path.join(folder, path)
        if not any(environments[parent] for parent in parents) and _is_own(whole):
            yield path


def _walked(folder: str) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        if path != folder and _ENVIRONMENT in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "." and name.casefold() not in _FOLDERS]
        for name in files:
            whole = os.path.join(path, name)
            if name.endswith(_ENDINGS) and _is_own(whole):
                yield os.path.relpath(whole, folder).replace(os.sep, "/")


def _is_own(path: str) -> bool:
    """Whether a path is a file and not a second name of one."""
    return os.path.isfile(path) and not os.path.islink(path)
