"""What is to be checked, and how: the options of `gradscope check` as plain values. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.loader.target import Kind, Target

SECONDS = 2.0
"""Measuring time for one function, unless `--time-limit` says otherwise."""

_LEAST = 10.0
"""Seconds before anything is given up: modules that are needed late take some to import."""


@dataclass(frozen=True, slots=True)
class Request:
    """`inputs` are the `--input` strings in order; `program` is what runs so that calls can be seen: the
    target's own `__main__`, the script of `--capture`, or None for nothing.

    `seconds` is the time to measure one function. `against` is "[FILE:]FUNCTION" and `sweep`
    "NAME=FROM:TO[:COUNT]", `loss` what `--loss` names; "" where they were not given. `done` names functions
    that need no check any more.
    """

    target: Target
    inputs: tuple[str, ...] = ()
    inputs_file: str | None = None
    program: Target | None = None
    device: str = "auto"
    seed: int | None = None
    seconds: float = SECONDS
    against: str = ""
    sweep: str = ""
    loss: str = ""
    done: frozenset[str] = frozenset()

    @property
    def runs_target(self) -> bool:
        """Whether the program that runs is the target itself, not the script of `--capture`."""
        return self.program is not None and self.program.text == self.target.where

    @property
    def module(self) -> Target:
        """The target as something to import."""
        kinds = {Kind.SCRIPT: Kind.FILE_ATTRIBUTE, Kind.RUN_MODULE: Kind.MODULE_ATTRIBUTE}
        target = self.target
        return Target(
            target.text, kinds.get(target.kind, target.kind), target.where, target.attribute, target.arguments
        )

    @property
    def place(self) -> str:
        """What stands before the colon where a function is named: "ops.py", "pkg.ops"."""
        return self.target.where

    @property
    def longest_function(self) -> float:
        """Seconds after which a function is given up: its code hangs, or one evaluation takes that long."""
        return max(10 * self.seconds, _LEAST)

    @property
    def longest_program(self) -> float:
        """Seconds for which the program may run; it is ended then, and what it called is used."""
        return 5 * self.seconds

    @property
    def longest_killed_program(self) -> float:
        """Seconds after which the program's process is ended, where it could not be ended itself; what it
        imports first counts here.
        """
        return max(10 * self.seconds, _LEAST) + self.longest_import

    @property
    def longest_import(self) -> float:
        """Seconds that importing the target may take."""
        return max(30 * self.seconds, _LEAST)
