"""Everything gradscope raises on purpose, and how it is shown.

    GradscopeError              exit status 4 unless a subclass says otherwise
    ├── UsageError          2   what was typed, or what it points at, cannot be done as it stands
    │   ├── TargetError     2   there is no such target, or it does not say what to trace
    │   ├── InputError      2   an input that cannot be read or does not fit
    │   ├── OutputError     2   the report cannot be written there
    │   └── PictureError    2   a picture cannot be drawn on this machine, or not in time
    └── Fault               4   a fault in gradscope; the program was let run on

Each says what is wrong, where, and the next thing to type.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Sequence
from typing import Self

from gradscope.exits import ExitStatus


class GradscopeError(Exception):
    """The root of the tree. `what` is one sentence, `where` lines shown as they are (a code frame),
    `try_next` what to type next: commands or advice, the first one the best.
    """

    exit_status = ExitStatus.FAULT

    def __init__(self, what: str, *, where: Sequence[str] = (), try_next: Sequence[str] | str = ()) -> None:
        super().__init__(what)
        self.what = what
        self.where = tuple(where)
        self.try_next = (try_next,) if isinstance(try_next, str) else tuple(try_next)

    def advising(self, command: str) -> Self:
        """The same error, whose advice to type `gradscope trace` names another command."""
        self.try_next = tuple(
            f"gradscope {command} {advice.removeprefix(_TRACE)}" if advice.startswith(_TRACE) else advice
            for advice in self.try_next
        )
        return self


_TRACE = "gradscope trace "


class UsageError(GradscopeError):
    """What was typed, or what it points at, cannot be done as it stands."""

    exit_status = ExitStatus.USAGE


class TargetError(UsageError):
    """There is no such target, or it does not say what to trace."""


class PictureError(UsageError):
    """A picture cannot be drawn on this machine (no `dot`), or not in time."""


class InputError(UsageError):
    """An input that cannot be read, or does not fit what it is given to."""


class OutputError(UsageError):
    """The report cannot be written where it was asked for."""


class Fault(GradscopeError):
    """A fault in gradscope itself; `__cause__` is what went wrong.

    `program_error` is the traceback of the program's own exception, where that ended it.
    """

    def __init__(self, what: str, *, program_error: str = "") -> None:
        super().__init__(what, try_next="gradscope doctor  checks the recorder on this machine")
        self.program_error = program_error


def closest(name: str, choices: Iterable[str], *, count: int = 3) -> list[str]:
    """The choices most like `name`, best first, and none that is much less like it than the best."""
    spelled: dict[str, list[str]] = {}
    for choice in choices:
        spelled.setdefault(choice.casefold().lstrip("-"), []).append(choice)
    typed = name.casefold().lstrip("-")
    near = difflib.get_close_matches(typed, spelled, n=count, cutoff=0.6)
    likeness = {key: difflib.SequenceMatcher(a=key, b=typed).ratio() for key in near}
    return [choice for key in near if likeness[key] > likeness[near[0]] - 0.1 for choice in spelled[key]]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`; did you mean Net?`, ready to be appended to a sentence, or nothing."""
    near = closest(name, choices)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def caret(text: str, start: int, end: int, *, label: str = "") -> list[str]:
    """`label` and `text`, and below them carets under `text[start:end]`, as in a code frame.

    Long text is cut to the neighbourhood of the carets, so that the lines fit on a screen.
    """
    lead = f"{label}  " if label else ""
    room = 74 - len(lead)
    first = max(0, min(start - room // 3, len(text) - room))
    shown = text[first : first + room]
    if first > 0:
        shown = "..." + shown[3:]
    if first + room < len(text):
        shown = shown[:-3] + "..."
    marks = "^" * max(1, min(end, first + room) - start)
    return [lead + shown, " " * (len(lead) + start - first) + marks]


def printable(text: str) -> str:
    """The text with control characters and what is no character as escapes; line breaks and tabs are kept."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def render(error: GradscopeError, *, width: int = 80) -> str:
    """The error as it is printed, without colour: what, where, what to type next; ends in a newline.

    Sentences are wrapped to `width` columns; code frames and commands never are.
    """
    lines = _wrapped("error: ", printable(error.what), width)
    lines += [f"  {printable(line)}".rstrip() for line in error.where]
    for index, text in enumerate(error.try_next):
        advice = printable(text)
        lead = "  try   " if index == 0 else "        "
        is_command = advice.startswith(("gradscope ", "python ", "def "))
        lines += [lead + advice] if is_command or "\n" in advice else _wrapped(lead, advice, width)
    return "\n".join(lines) + "\n"


def _wrapped(lead: str, text: str, width: int) -> list[str]:
    hang = " " * (len(lead) if lead.isspace() or lead.startswith("  try") else 2)
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=lead,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [lead.rstrip()]
