"""Small programs as targets of a gate, and what they leave running."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil

from gradscope.finding import Location
from gradscope.gating.processes.running import Ran, run_all
from gradscope.gating.settings import GateSettings, GateTarget

BACKWARD = "import torch\nlayer = torch.nn.Linear(3, 1)\nlayer(torch.randn(2, 3)).sum().backward()\n"


def target(folder: Path, name: str, program: str | None, **values: Any) -> GateTarget:
    """A target that traces a program, which is written into `folder`; None for one that is not there."""
    if program is not None:
        (folder / f"{name}.py").write_text(program, encoding="utf-8")
    stated_at = Location(str(folder / "pyproject.toml"), 1)
    given = {"command": "trace", "target": f"{name}.py", "time_limit": 60.0, **values}
    return GateTarget(name=name, stated_at=stated_at, **given)


def run(folder: Path, *targets: GateTarget, jobs: int = 1) -> dict[str, Ran]:
    """How the targets ran, by their names."""
    settings = GateSettings(str(folder), "pyproject.toml", targets, jobs)
    return {ran.target.name: ran for ran in run_all(settings, lambda _target, _ran: None)}


def left_in(folder: Path) -> list[str]:
    """The command lines of all living processes that run in a folder or below it."""
    found = []
    for each in psutil.process_iter():
        try:
            is_there = Path(each.cwd()).is_relative_to(folder) and each.pid != os.getpid()
            if is_there and each.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(each.cmdline()))
        except (psutil.Error, OSError):  # ended in this moment, or somebody else's
            continue
    return found
