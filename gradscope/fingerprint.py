"""What stays the same about a finding while the program around it is edited.

The rule, the file, the function and the text of the line; where a finding has no place, the names it is
about. Never a line number, a count, a measured number or an absolute path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping

import msgspec

from gradscope.finding import Finding, Location
from gradscope.patterns import below

_HASH = "sha256:"
_NO_FUNCTIONS = frozenset(("<locals>", "<listcomp>", "<dictcomp>", "<setcomp>"))
_MOST_STEPS_UP = 3
_INSTALLED = re.compile(r".*[\\/](?:site|dist)-packages[\\/]")
_CODE = re.compile(r"""((?:[^'"#]++|"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+')*+)#.*""", re.DOTALL)


class Fingerprint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding as a baseline keeps it. `rule` is for people: two that differ only there are the same.

    `path` is relative to the baseline's folder. `source` is the line without its comment and with single
    blanks, or "sha256:" and the beginning of its hash. `subjects` stand only where there is no place.
    """

    code: str
    rule: str = ""
    path: str | None = None
    function: str | None = None
    source: str | None = None
    subjects: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What two fingerprints of the same finding have in common."""
        return (self.code, self.path, self.function, self.source and hashed(self.source), self.subjects)

    @property
    def digest(self) -> str:
        """The key as 32 hexadecimal digits, the same on every machine and in every run.

        Several findings of one report may share it: a format that needs it to be unique appends a number.
        """
        text = json.dumps(self.key)  # ASCII: a lone surrogate is escaped
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]

    @property
    def order(self) -> tuple[object, ...]:
        """By file, function, line and rule."""
        return (self.path or "", self.function or "", self.source or "", self.code, self.subjects)


def fingerprint(finding: Finding, sources: Mapping[str, tuple[str, ...]], folder: str) -> Fingerprint:
    """The fingerprint of a finding; paths are written relative to the absolute `folder`."""
    where = finding.location
    if where is None:
        subjects = tuple(sorted(set(finding.subjects))) or (re.sub(r"[\d.,]*\d", "#", finding.message),)
        return Fingerprint(finding.code, finding.rule, subjects=subjects)
    source = _line(where, sources.get(where.path, ()))
    path = portable_path(where.path, folder)
    return Fingerprint(finding.code, finding.rule, path, _function(where.function), source)


def _function(qualified: str | None) -> str | None:
    """The function without what differs between Python versions: 3.12 has no frames of comprehensions."""
    if qualified is None:
        return None
    return ".".join(part for part in qualified.split(".") if part not in _NO_FUNCTIONS) or "<module>"


def _line(where: Location, lines: tuple[str, ...]) -> str | None:
    if not 0 < where.line <= len(lines):
        return None
    text = lines[where.line - 1]
    code = _CODE.fullmatch(text)
    return " ".join((code.group(1) if code else text).split())


def hashed(source: str) -> str:
    """The line as a hash of it; a hash as it is."""
    if source.startswith(_HASH):
        return source
    return _HASH + hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def portable_path(path: str, folder: str) -> str:
    """`path` relative to `folder`, the same on every machine and system.

    An installed package's file is `site-packages/...`; a file far away keeps its last two names only.
    """
    installed = _INSTALLED.match(path)
    if installed:
        return "site-packages/" + path[installed.end() :].replace(os.sep, "/")
    inside = below(path, folder)
    if inside is not None or not os.path.isabs(path):
        return (inside or path).replace(os.sep, "/")
    near = _nearby(os.path.realpath(path), os.path.realpath(folder))
    return near or "/".join([os.curdir * 3, *path.split(os.sep)[-2:]])


def _nearby(path: str, folder: str) -> str | None:
    """The path from the folder, by way of at most three parents and never by the root."""
    parent = folder
    for steps in range(1, _MOST_STEPS_UP + 1):
        parent = os.path.dirname(parent)
        rest = below(path, parent)
        if os.path.dirname(parent) != parent and rest is not None:
            return "../" * steps + rest
    return None
