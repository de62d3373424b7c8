"""The last lines that a target printed: read as they come, kept as far as somebody would read them."""

from __future__ import annotations

import os
import re
import threading
from typing import Final

from gradscope.errors import printable

_KEPT_BYTES: Final = 1 << 16
_LINES: Final = 40
_LINE_CHARACTERS: Final = 500
_ESCAPES: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_])")
"""The sequences that colour a terminal, move its cursor and set its title."""


class Output:
    """A pipe, read by a thread until nobody holds its other end, the file descriptor `other`, any more."""

    def __init__(self) -> None:
        self._ours, self.other = os.pipe()
        self._kept = bytearray()
        self._is_cut = False
        self._thread = threading.Thread(target=self._read, name="gradscope-output", daemon=True)
        self._thread.start()

    def close_other(self) -> None:
        """Closes our copy of the other end."""
        if self.other >= 0:
            os.close(self.other)
            self.other = -1

    def lines(self, seconds: float = 1.0) -> tuple[str, ...]:
        """The last 40 lines, harmless to show; up to `seconds` are waited for the end of what is written."""
        self.close_other()
        self._thread.join(seconds)
        text = bytes(self._kept).decode("utf-8", "replace")
        if self._is_cut:
            text = text.partition("\n")[2] or text
        lines = [shown(line) for line in text.replace("\r\n", "\n").split("\n")]
        while lines and not lines[-1].strip():
            lines.pop()
        return tuple(lines[-_LINES:])

    def _read(self) -> None:
        with open(self._ours, "rb", buffering=0) as file:
            while read := file.read(_KEPT_BYTES):
                self._kept += read
                if len(self._kept) > 2 * _KEPT_BYTES:
                    del self._kept[:-_KEPT_BYTES]
                    self._is_cut = True


def shown(line: str) -> str:
    """A line as a terminal would leave it: no colours, a progress bar at its last state; and not endless."""
    last = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    plain = printable(_ESCAPES.sub("", last)).rstrip()
    return plain if len(plain) <= _LINE_CHARACTERS else f"{plain[: _LINE_CHARACTERS - 3]}..."
