"""A recording that goes on for long stands back while another one is made inside it.

Two recorders at once would each take what the other one does for the program's: gradients that are put back,
forwards that are repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Interruptible(Protocol):
    """A recording that can be broken off, and gone on with."""

    def pause(self) -> None:
        """Takes its recorder out."""

    def resume(self) -> None:
        """Puts a new one in."""


_recording: list[Interruptible] = []


@dataclass(slots=True)
class Interruption:
    """One recorder's stay; `of` is the recording that stands back for it."""

    of: Interruptible | None

    def end(self) -> None:
        """The recording that stood back goes on; once."""
        paused, self.of = self.of, None
        if paused is not None:
            paused.resume()
            _recording.append(paused)


def begin() -> Interruption:
    """The recording that can be interrupted, where there is one, stands back until the interruption's end."""
    if not _recording:
        return Interruption(None)
    paused = _recording.pop()
    paused.pause()
    return Interruption(paused)


def offer(recording: Interruptible) -> None:
    """From now on this recording, which is being made, stands back for others."""
    _recording.append(recording)


def withdraw(recording: Interruptible) -> None:
    """The recording is over."""
    if recording in _recording:
        _recording.remove(recording)
