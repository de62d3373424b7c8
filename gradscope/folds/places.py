"""What a fold needs to know of a place: that it can be resolved to a `Location` when asked."""

from __future__ import annotations

from typing import Protocol

from gradscope.finding import Location


class Place(Protocol):
    """An op's place in the program, resolved late; `caller` is where the training loop got here."""

    @property
    def caller(self) -> Place | None:
        """The line of the training loop from which this place was reached, if it is another one."""

    def location(self) -> Location | None:
        """The source location; None where no frame of the program took part."""
