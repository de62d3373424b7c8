"""The progress line: on stderr, only on a terminal, and never in the way of what the program prints."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TextIO

_SECONDS_BETWEEN = 0.5
_SECONDS_QUIET = 1.5
_HINT_AFTER_STEPS = 50
_ERASE = "\r\x1b[2K"


class Counts(Protocol):
    """What the recorder tells about a run in progress."""

    @property
    def steps(self) -> int:
        """Optimizer steps so far."""

    @property
    def backward_passes(self) -> int:
        """Backward passes so far."""


class ProgressLine:
    """One line that is redrawn while the program is quiet, and erased before anything else is printed.

    While it is in use, the `write` of a standard stream that is a terminal is watched: the line is
    taken off the screen before the program's own text, and not drawn while a line of it is unfinished.
    """

    def __init__(self, stream: TextIO, *, hint: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._flush = stream.write, stream.flush  # as they are before they are watched
        self._hint = hint
        self._clock = clock
        self._drawn = False
        self._at_line_start = True
        self._next = clock() + _SECONDS_QUIET
        self._watched: list[Any] = []
        self._waiting: list[str] = []

    def __enter__(self) -> ProgressLine:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                if stream.isatty() and stream not in self._watched:
                    self._watch(stream)
        return self

    def __exit__(self, *_exception: object) -> None:
        for stream in self._watched:
            with contextlib.suppress(AttributeError):
                del stream.write
        self._watched.clear()
        self._erase()

    def _watch(self, stream: Any) -> None:
        write = stream.write

        def watched(text: str) -> int:
            self._erase()
            if text:
                self._at_line_start = text.endswith(("\n", "\r"))
            self._next = max(self._next, self._clock() + _SECONDS_QUIET)
            count: int = write(text)
            return count

        with contextlib.suppress(AttributeError):  # a stream that takes no attributes is left alone
            stream.write = watched
            self._watched.append(stream)

    def announce(self, lines: Iterable[str]) -> None:
        """Puts lines above the progress line, as soon as no line of the program's is unfinished."""
        self._waiting += lines
        if self._waiting and self._at_line_start:
            self._erase()
            self._write("".join(f"{line}\n" for line in self._waiting))
            self._flush()
            self._waiting.clear()

    def __call__(self, counts: Counts) -> None:
        """Draws the line anew, unless it was drawn or the program printed a moment ago."""
        now = self._clock()
        if now < self._next or not self._at_line_start:
            return
        self._next = now + _SECONDS_BETWEEN
        self._drawn = True
        self._write(_ERASE + progress_text(counts, hint=self._hint))
        self._flush()

    def _erase(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write(_ERASE)
            self._flush()


def progress_text(counts: Counts, *, hint: bool) -> str:
    """`gradscope: 120 steps, 240 backwards`, and how to stop sooner after fifty steps."""
    words = [_counted(counts.steps, "step")] if counts.steps else []
    words.append(_counted(counts.backward_passes, "backward"))
    text = f"gradscope: {', '.join(words)}"
    if hint and counts.steps > _HINT_AFTER_STEPS:
        text += "   (--steps 20 ends the program sooner)"
    return text


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
