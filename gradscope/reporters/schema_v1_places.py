"""What every part of the JSON report is made of: numbers, and places in the program."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]
Scalar: TypeAlias = str | int | float | bool | None


class Location(msgspec.Struct, frozen=True):
    """A place in the program. Lines and columns count from 1, columns count characters, `end_column` is
    exclusive. `path` is relative to the working directory where the file lies below it. `module` is the
    dotted path of the module whose forward was running, "" for the root, null outside any.
    """

    path: str
    line: int
    column: int | None
    end_line: int | None
    end_column: int | None
    function: str | None
    module: str | None


class Related(Location, frozen=True):
    """A second place that takes part in a finding, and what happened there."""

    message: str
