"""The file of `trace --timeline`: written in stretches beside its name, and moved there when complete.

The program may close every file that is open, change the directory and fork: so the file is opened anew
for each stretch, by its whole path, and only the process that made it writes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gradscope.destination import check_writable, finished_mode
from gradscope.errors import OutputError
from gradscope.folds.timeline import LAST_SLICES, MOST_SLICES, Slice, SliceBuffer
from gradscope.reporters.chrome_trace import START, ChromeTrace

LAUNCHING = (
    "an accelerator was used: the times are those at which the CPU launched its kernels, not those that the "
    "kernels took"
)


class TimelineFile:
    """A timeline on its way into the file `typed`. `buffer` takes the slices.

    Raises OutputError where the file cannot be written. Use `finish` or `discard` at the end.
    """

    def __init__(
        self,
        typed: str,
        *,
        redacted: bool = False,
        most: int = MOST_SLICES,
        last: int = LAST_SLICES,
    ) -> None:
        if typed == "-":
            raise OutputError("--timeline needs the name of a file", try_next="--timeline trace.json")
        self.typed = typed
        self.redacted = redacted
        self._path = os.path.abspath(typed)
        check_writable("--timeline", typed, self._path, example="trace.json")
        self._process = os.getpid()
        self._trace = ChromeTrace(self._process, time.perf_counter_ns(), os.getcwd(), redacted=redacted)
        self.buffer = SliceBuffer(self._write, most, last)
        self._temporary, self._beside = self._begin()

    def _begin(self) -> tuple[str, bool]:
        """An empty file beside the name; in the folder for temporary files where that cannot be."""
        beside = os.path.isfile(self._path) or not os.path.exists(self._path)
        try:
            folder = os.path.dirname(self._path) if beside else None
            number, name = tempfile.mkstemp(dir=folder, prefix=".gradscope-", suffix=".tmp")
        except OSError:  # a file that may be written in a folder that may not
            number, name = tempfile.mkstemp(prefix="gradscope-", suffix=".tmp")
            beside = False
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(START)
        return name, beside

    def _write(self, slices: Sequence[Slice]) -> None:
        self._append(self._trace.events(slices))

    def _append(self, text: str) -> None:
        with open(self._temporary, "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(text.encode("ascii"))

    def finish(self, name: str, about: Mapping[str, Any]) -> str:
        """Completes the file and puts it in its place; returns a sentence about it.

        `name` is that of the process, `about` what the file says of the whole. Raises OutputError where
        it could not be written, to a full disk, say.
        """
        buffer = self.buffer
        gap = buffer.finish()
        told = dict(about)
        told["not in the timeline"] = [*buffer.remarks, *([LAUNCHING] if buffer.of_launching else [])]
        missing = None
        if gap is not None:
            sentence = f"{buffer.left_out:,} slices were left out, to keep the file readable"
            track = max(buffer.track_names, default=0) + 1
            buffer.track_names[track] = "left out"
            missing = Slice(*gap, track, "left out", sentence)
            told["left out"] = sentence
        try:
            if buffer.failure is not None:
                raise buffer.failure
            self._append(self._trace.end(name, buffer.track_names, told, missing))
            self._move()
        except OSError as error:
            self.discard()
            reason = error.strerror or str(error)
            raise OutputError(f"the timeline cannot be written to {self.typed}: {reason}") from None
        left_out = f", {buffer.left_out:,} left out" if buffer.left_out else ""
        launching = f"; {LAUNCHING}" if buffer.of_launching else ""
        return f"the timeline ({buffer.written:,} slices{left_out}) is in {self.typed}{launching}"

    def _move(self) -> None:
        if self._beside:
            os.chmod(self._temporary, finished_mode(self._path))
            os.replace(self._temporary, self._path)
            return
        with open(self._temporary, "rb") as source, open(self._path, "wb") as target:
            shutil.copyfileobj(source, target)
        os.unlink(self._temporary)

    def discard(self) -> None:
        """Leaves nothing behind."""
        if os.getpid() == self._process:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
