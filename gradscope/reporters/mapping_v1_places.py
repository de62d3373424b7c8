"""Places and numbers in the JSON report's shape."""

from __future__ import annotations

from typing import TypeVar

from gradscope.finding import Location
from gradscope.reporters import schema_v1_places as v1
from gradscope.reporters.paths import short_path

T = TypeVar("T")


class Places:
    """Knows what paths are relative to, and whether values were taken out."""

    def __init__(self, cwd: str, *, redacted: bool) -> None:
        self._cwd = cwd
        self._redacted = redacted

    def place(self, location: Location) -> v1.Location:
        """A place, its path relative to the working directory where it lies below it."""
        return v1.Location(
            path=short_path(location.path, self._cwd),
            line=location.line,
            column=location.column,
            end_line=location.end_line,
            end_column=location.end_column,
            function=location.function,
            module=location.module,
        )

    def maybe_place(self, location: Location | None) -> v1.Location | None:
        """Likewise, for a place that may be unknown."""
        return None if location is None else self.place(location)

    def value(self, value: T) -> T | None:
        """A number of the data; null in a redacted report."""
        return None if self._redacted else value

    def maybe_value(self, value: float | None) -> float | None:
        """Likewise, for a number that may be missing."""
        return None if self._redacted else value
