"""What the process that runs the user's code tells ours, one value at a time. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from gradscope.errors import GradscopeError
from gradscope.facts import CheckedFunction, CheckedModel, ProgramError

Sources: TypeAlias = Mapping[str, tuple[str, ...]]
"""Path -> lines without newlines, as run."""

CheckedAny: TypeAlias = CheckedFunction | CheckedModel


class Stage(StrEnum):
    """What the process is doing."""

    START = "start"  # Python and torch
    IMPORT = "import"
    PROGRAM = "program"  # the target's own __main__, or the script of --capture
    FUNCTION = "function"


@dataclass(frozen=True, slots=True)
class Began:
    """A stage begins; `name` is that of the function, "" in all others."""

    stage: Stage
    name: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The functions that there are to check: names and lines, nothing measured yet."""

    functions: tuple[CheckedAny, ...]
    environment: Mapping[str, str]
    device: str
    sources: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """One function was checked, or could not be (`failure`)."""

    function: CheckedAny
    sources: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence for the report."""

    note: str


@dataclass(frozen=True, slots=True)
class ImportFailed:
    """The target's own code raised, or called `sys.exit`, while it was imported."""

    error: ProgramError | None
    exit_status: int
    environment: Mapping[str, str]
    sources: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for cannot be done as it stands."""

    error: GradscopeError


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault in gradscope, with its traceback as text."""

    rendered: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more will come."""


Message: TypeAlias = Began | Found | Checked | Told | ImportFailed | Refused | Broken | Finished
