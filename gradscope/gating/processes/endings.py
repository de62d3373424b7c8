"""Why a target could not be judged, in words: how its process ended, or what it was told. No torch here."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from gradscope.checker.process.children import ended
from gradscope.errors import UsageError
from gradscope.facts import ProgramError
from gradscope.finding import Location
from gradscope.gating.processes.handover import Place
from gradscope.gating.processes.last_frames import (
    frames_of_crash,
    frames_of_hang,
    shown_path,
    traceback_lines,
)
from gradscope.gating.settings import GateTarget
from gradscope.memory_use.available import gib
from gradscope.outcomes import Trouble, TroubleKind

_TRIED: Final = re.compile(r"tried to allocate (\d+ bytes|[\d.]+ \wiB)", re.IGNORECASE)

_CRASHES: Final = frozenset(
    int(getattr(signal, name, 0)) for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
)

PRINTED: Final = 10
"""Lines of what the program printed that are shown where no line of it is known."""


class Over(Enum):
    """The limit for which a gate ended a target."""

    NONE = auto()
    TIME = auto()
    MEMORY = auto()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process came to its end.

    `status` is negative for a signal. `written` is how long the file of last words was before it was asked
    where it is, in characters. `oom_kills` says whether the kernel ended any process for want of memory
    meanwhile; None where that is not known. `memory_limit` is in bytes.
    """

    target: GateTarget
    folder: str
    place: Place
    status: int
    over: Over = Over.NONE
    written: int = 0
    memory_limit: int = 0
    oom_kills: bool | None = None
    output: tuple[str, ...] = ()
    is_handed: bool = False

    def trouble(self) -> Trouble | None:
        """What kept the target from being judged; None where it ended of its own accord."""
        if self.over is Over.NONE:
            return self._by_itself()
        frames = frames_of_hang(self.place.text(self.place.words), self.written)
        if self.over is Over.TIME:
            late = ": its exit functions do not come to an end" if self.is_handed else ""
            what = f"did not end within {self.target.time_limit:g} s{late}"
            return self._told(TroubleKind.HUNG, what, "it was ", frames)
        what = f"took more memory than {limit_words(self.target, self.memory_limit)}"
        return self._told(TroubleKind.OUT_OF_MEMORY, what, "it was ", frames)

    def _by_itself(self) -> Trouble | None:
        if self.status == 0 and self.is_handed:
            return None
        late = ", when it had come to its end" if self.is_handed else ""
        if self.status >= 0:
            what = f"ended itself with status {self.status}, by os._exit or in a library{late}"
            return self._told(TroubleKind.CRASHED, what, "", ())
        frames = frames_of_crash(self.place.text(self.place.words)) or frames_of_crash("\n".join(self.output))
        if self.status == -getattr(signal, "SIGKILL", 0):
            return self._killed(late)
        if -self.status not in _CRASHES:
            what = f"was ended by {_signal_name(-self.status)}{late}"
            return self._told(TroubleKind.CRASHED, what, "", ())
        if any("std::bad_alloc" in line for line in self.output):
            what = f"ran out of memory, and {ended(self.status)}{late}"
            return self._told(TroubleKind.OUT_OF_MEMORY, what, "", frames)
        return self._told(TroubleKind.CRASHED, f"{ended(self.status)}{late}", "", frames)

    def _killed(self, late: str) -> Trouble:
        """SIGKILL, and not from the gate."""
        if self.oom_kills is False:
            what = f"was killed (SIGKILL) from outside, not because memory ran out{late}"
            return self._told(TroubleKind.CRASHED, what, "", ())
        what = f"was killed (SIGKILL), probably by the system because memory ran out{late}"
        return self._told(TroubleKind.OUT_OF_MEMORY, what, "", ())

    def _told(self, kind: TroubleKind, what: str, verb: str, frames: Sequence[Location]) -> Trouble:
        stage = self.place.text(self.place.stage).strip().partition(", ")[0]
        at = f"; {verb}{_at(frames[-1], self.folder)}" if frames and verb else ""
        at = at or (f" {_at(frames[-1], self.folder)}" if frames else "")
        doing = f"; it was at {stage}" if stage and not at else ""
        details = traceback_lines(frames, self.folder) or self.output[-PRINTED:]
        return Trouble(kind, f"{what}{doing}{at}", details, frames[-1] if frames else None)


def out_of_memory(error: ProgramError, folder: str, limit: str) -> Trouble:
    """What to say of an exception of the program's that means that memory ran out.

    `limit` says what its memory was limited to, "" where it was not.
    """
    place = error.frames[-1] if error.frames else None
    at = f" {_at(place, folder)}" if place is not None else ""
    tried = _TRIED.search(error.message)
    said = f": it tried to allocate {_amount(tried[1])}" if tried is not None else ""
    held_to = f"; it was held to {limit}" if limit else ""
    details = tuple(error.rendered.splitlines())
    return Trouble(TroubleKind.OUT_OF_MEMORY, f"ran out of memory{at}{said}{held_to}", details, place)


def limit_words(target: GateTarget, size: int) -> str:
    """What a target's memory is limited to, and by whom."""
    if target.memory_limit is None:
        return f"{gib(size)}, its share of what the machine has left"
    return f"{gib(size)}, its memory-limit"


def not_run(error: UsageError, command: str) -> Trouble:
    """What to say where a target cannot be run as the configuration states it."""
    typed = f"gradscope {command} "
    advice = [
        f'{command} = "{each.removeprefix(typed)}"' if each.startswith(typed) and " --" not in each else each
        for each in error.advising(command).try_next
    ]
    leads = ("try", *("   " for _ in advice))
    details = [*error.where, *(f"{lead}  {each}" for lead, each in zip(leads, advice, strict=False))]
    return Trouble(TroubleKind.NOT_RUN, error.what, tuple(details))


def interrupted() -> Trouble:
    """What to say of a target that Ctrl-C ended, or kept from being run."""
    return Trouble(TroubleKind.INTERRUPTED, "interrupted")


def not_told(target: GateTarget, output: tuple[str, ...], *, has_begun: bool) -> Trouble:
    """What to say where nobody says how a process ended; mostly because it never began."""
    if has_begun:
        what = f"the process that watches over {target.name} was ended from outside, and everything with it"
        return Trouble(TroubleKind.CRASHED, what, output[-PRINTED:])
    what = f"a fault in gradscope, not in your program: the process for {target.name} did not start"
    return Trouble(TroubleKind.FAULT, what, output)


def refused(error: OSError) -> Trouble:
    """What to say where the system started no process."""
    return Trouble(TroubleKind.FAULT, f"the system started no process for it: {error.strerror or error}")


def unreadable(error: Exception) -> Trouble:
    """What to say where what a process handed over cannot be read."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    what = "a fault in gradscope, not in your program: what was measured cannot be read"
    return Trouble(TroubleKind.FAULT, what, tuple(lines))


def oom_kills() -> int | None:
    """How many processes the kernel has ended for want of memory so far; None where nobody tells."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            found = [line.split()[1] for line in file if line.startswith("oom_kill ")]
    except OSError:
        return None
    return int(found[0]) if found else None


def _amount(text: str) -> str:
    """ "20.00 GiB" as CUDA's allocator says it; the CPU's says bytes."""
    return gib(int(text.removesuffix(" bytes"))) if text.endswith(" bytes") else text


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _at(place: Location, folder: str) -> str:
    inside = f", in {place.function}" if place.function and place.function != "<module>" else ""
    return f"at line {place.line} of {shown_path(place.path, folder)}{inside}"
