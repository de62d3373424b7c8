"""What the user's code raised: in one line, and at which line of the program."""

from __future__ import annotations

from gradscope.finding import Location
from gradscope.recorder.places import traceback_locations


def raised(error: BaseException) -> str:
    """ "RuntimeError: the first line of what it says"; "AssertionError" where it says nothing."""
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def raised_at(error: BaseException) -> Location | None:
    """The innermost line of the program that an exception passed; None where it passed none."""
    found = traceback_locations(error.__traceback__)
    return found[-1] if found else None
