"""Runs `gradscope` as a user does, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent


@dataclass(frozen=True)
class Ran:
    """What a process printed, and the status it left."""

    status: int
    out: str
    err: str


def environment() -> dict[str, str]:
    """One thread, 80 columns, no colour, whatever this machine has."""
    kept = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "PYTHONWARNINGS")}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "NO_COLOR": "1", "CUDA_VISIBLE_DEVICES": ""}


def gradscope(*words: str, cwd: Path, stdin: str | None = None) -> Ran:
    """Runs one command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "gradscope", *words],
        cwd=cwd,
        env=environment(),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def write(folder: Path, name: str, text: str) -> Path:
    """Writes a dedented program."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path
