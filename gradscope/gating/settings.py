"""What `[tool.gradscope.gate]` says, as plain values. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gradscope.facts.limits import Limits
from gradscope.finding import Location
from gradscope.loader.options import Options

COMMANDS: Final = ("trace", "check", "memory")
"""What a target can be run by."""

TIME_LIMIT: Final = 300.0
"""Seconds that a target may take, unless the configuration says otherwise."""

SEED: Final = 0
"""What the generators are seeded with, unless the configuration says otherwise: verdicts are repeatable."""


@dataclass(frozen=True, slots=True)
class GateTarget:
    """One entry of `[[tool.gradscope.gate.targets]]`, with the defaults of `[tool.gradscope.gate]`.

    `name` is unique. `target` is as on a command line: "train.py", "model.py:Net", "-m pkg.train";
    `arguments` are the program's own. `folder` is where it is run, and what it is
    relative to, below the gate's. `options` say how it is run. `capture`, `no_run`, `against` and
    `check_time_limit` (seconds a function) belong to check; `budget`, `blocks` and `fake` to memory, and mean
    what these options mean. `environment` is set in its process.

    `key` is what a baseline calls it: its own name, or else what it runs, so that it stays when another
    target is added. `forbid` names rules any finding of which fails the target, whatever its severity,
    `expect` rules that must be found, and are not held against it. `exit_status` is what the program is to
    end with. `limits` are thresholds. `time_limit` is in seconds, `memory_limit` in bytes, None for no limit
    of our own.
    """

    name: str
    command: str
    target: str
    stated_at: Location
    arguments: tuple[str, ...] = ()
    folder: str = ""
    options: Options = field(default_factory=lambda: Options(seed=SEED))
    capture: str | None = None
    no_run: bool = False
    against: str | None = None
    check_time_limit: float | None = None
    budget: str | None = None
    blocks: tuple[str, ...] = ()
    fake: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    fail_on: str | None = None
    exit_status: int = 0
    limits: Limits = field(default_factory=Limits)
    key: str = ""
    drift_tolerance: float | None = None
    time_limit: float = TIME_LIMIT
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The gate of one configuration file. `folder` is the absolute folder in which its targets are run.

    `baseline` is an absolute path: that of [tool.gradscope.gate], or else of [tool.gradscope].
    """

    folder: str
    name: str
    targets: tuple[GateTarget, ...]
    jobs: int = 1
    baseline: str | None = None
