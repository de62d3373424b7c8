"""SARIF locations: where an artifact lies, the region in it, and the function and module around it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from gradscope.finding import Location
from gradscope.reporters.target_files import repository_path

ROOT: Final = "%SRCROOT%"
"""The name of the folder that relative paths are relative to."""

_LONGEST_SNIPPET: Final = 2_000  # characters


@dataclass(frozen=True, slots=True)
class Places:
    """Locations of one report. Paths below the repository of `cwd` are relative to it; `sources` gives the
    text of a region.
    """

    cwd: str
    sources: Mapping[str, tuple[str, ...]]

    def location(self, where: Location, message: str = "", number: int | None = None) -> dict[str, Any]:
        """A `location` object; `number` is its id within the result."""
        made: dict[str, Any] = {} if number is None else {"id": number}
        made["physicalLocation"] = {
            "artifactLocation": artifact(where.path, self.cwd),
            "region": self.region(where),
        }
        logical = _logical(where)
        if logical:
            made["logicalLocations"] = logical
        if message:
            made["message"] = {"text": message}
        return made

    def region(self, where: Location) -> dict[str, Any]:
        """A `region`: columns count characters from 1, and the end column is the first one behind it."""
        first = max(where.line, 1)
        made: dict[str, Any] = {"startLine": first}
        last = where.end_line if where.end_line is not None and where.end_line >= first else first
        if where.column is not None and where.column > 0:
            made["startColumn"] = where.column
            if last > first:
                made["endLine"] = last
            if where.end_column is not None and (last > first or where.end_column >= where.column):
                made["endColumn"] = max(where.end_column, 1)
        elif last > first:
            made["endLine"] = last
        lines = self.sources.get(where.path, ())[first - 1 : last]
        text = "\n".join(lines)
        if text.strip() and len(text) <= _LONGEST_SNIPPET:
            made["snippet"] = {"text": text}
        return made


def artifact(path: str, cwd: str) -> dict[str, str]:
    """An `artifactLocation`: relative to the source root where the file lies below it, else absolute."""
    short = repository_path(path, cwd)
    if os.path.isabs(short):
        return {"uri": file_uri(short)}
    return {"uri": _encoded(short) or ".", "uriBaseId": ROOT}


def file_uri(path: str) -> str:
    """The URI of an absolute path, on whatever system."""
    drive, rest = os.path.splitdrive(path)
    drive, rest = drive.replace("\\", "/"), rest.replace(os.sep, "/")
    if drive.startswith("//"):  # a share: its server is the host
        return f"file:{_encoded(drive)}{_encoded(rest)}"
    return f"file://{f'/{drive}' if drive else ''}{_encoded(rest)}"


def _encoded(path: str) -> str:
    """Percent-encoded; bytes of a file's name that are no UTF-8 as they are on the disk."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "surrogatepass")
    return quote(raw)


def _logical(where: Location) -> list[dict[str, str]]:
    found = []
    function = where.function
    if function and not function.startswith("<"):
        found.append(_named(function, "function"))
    if where.module:
        found.append(_named(where.module, "module"))
    return found


def _named(dotted: str, kind: str) -> dict[str, str]:
    return {"name": dotted.rpartition(".")[2] or dotted, "fullyQualifiedName": dotted, "kind": kind}
