"""Files as servers that show code name them, also for what has no place of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from gradscope.errors import printable
from gradscope.finding import Finding, Location
from gradscope.outcomes import Outcome
from gradscope.patterns import below
from gradscope.reporters.paths import short_path

_FILE = re.compile(r"(.+?\.py)(?::.*)?")  # train.py, model.py:Net
_MODULE = re.compile(r"(?:-m\s+)?([\w.]+)(?::.*)?")  # -m pkg.train, pkg.model:build


def finding_place(finding: Finding, outcome: Outcome) -> Location:
    """The finding's own place, else the first line of what was run."""
    return finding.location or target_place(outcome)


def trouble_place(outcome: Outcome) -> Location:
    """Where the program was, else the line of the configuration, else the first line of what was run."""
    trouble = outcome.trouble
    return (trouble and trouble.location) or outcome.stated_at or target_place(outcome)


def target_place(outcome: Outcome) -> Location:
    """The first line of the target's file; of a module that is not known, the line of the configuration.

    A target of a gate is relative to the folder of its configuration.
    """
    file = _FILE.fullmatch(outcome.target)
    if file is not None:
        folder = os.path.dirname(outcome.stated_at.path) if outcome.stated_at else ""
        return Location(os.path.join(folder, file[1]), 1)
    recording = outcome.report.recording if outcome.report is not None else None
    module = _MODULE.fullmatch(outcome.target)
    if module is not None and recording is not None:
        found = _file_of(module[1], recording.sources)
        if found is not None:
            return Location(found, 1)
    if outcome.stated_at is not None:
        return outcome.stated_at
    backwards = recording.backwards if recording is not None else ()
    known = (each.location.path for each in backwards if each.location is not None)
    return Location(next(known, outcome.target), 1)


def repository(cwd: str) -> str:
    """The folder that a server's paths are relative to: the checkout of GitHub Actions or GitLab CI that the
    absolute `cwd` lies in, else `cwd`.
    """
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        folder = os.environ.get(variable, "")
        if os.path.isabs(folder) and below(cwd, folder) is not None:
            return os.path.normpath(folder)
    return cwd


def repository_path(path: str, cwd: str) -> str:
    """The path relative to the repository, with `/`; of a file elsewhere the absolute path.

    What is no file, such as `<stdin>`, is kept. A relative path is one from `cwd`.
    """
    if path.startswith("<") or not path:
        return path
    whole = os.path.normpath(os.path.join(cwd, path))
    short = short_path(whole, repository(cwd))
    return short if os.path.isabs(short) else short.replace(os.sep, "/")


def path_on_one_line(path: str) -> str:
    """The path with control characters, also line breaks and tabs, as escapes."""
    return printable(path).replace("\n", "\\n").replace("\t", "\\t")


def _file_of(module: str, files: Iterable[str]) -> str | None:
    """The file of a dotted name among those that ran."""
    below = module.replace(".", "/")
    for file in files:
        name = file.replace("\\", "/")
        if f"/{name}".endswith((f"/{below}.py", f"/{below}/__main__.py", f"/{below}/__init__.py")):
            return file
    return None
