"""Runs `gradscope` as a user does, in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.started import environment, python

__all__ = ["Ran", "environment", "gradscope", "write"]


@dataclass(frozen=True)
class Ran:
    """What a process printed, and the status it left."""

    status: int
    out: str
    err: str


def gradscope(*words: str, cwd: Path, stdin: str | None = None, fresh: bool = False) -> Ran:
    """Runs one command to its end; `fresh` in a new Python, and not in one that has imported torch."""
    done = python(["-m", "gradscope", *words], cwd=cwd, stdin=stdin, fresh=fresh)
    return Ran(done.returncode, done.stdout, done.stderr)


def write(folder: Path, name: str, text: str) -> Path:
    """Writes a dedented program."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path
