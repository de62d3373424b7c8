"""The page a report is printed on: how wide it is, what it can encode, and whether it has colour."""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console, detect_legacy_windows
from rich.text import Text

from gradscope.finding import Location
from gradscope.reporters.paths import in_package, place

DEFAULT_WIDTH: Final = 80
WIDEST: Final = 120  # longer lines of prose are hard to read, however wide the terminal
NARROWEST: Final = 40

STYLES: Final = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold cyan",
    "gutter": "blue",
    "second": "blue",
    "heading": "bold",
    "fix": "bold green",
    "good": "green",
    "faint": "dim",
    "": "",
}

# Our own drawing characters where the stream cannot encode them. User text never passes through here.
PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("█▉▊▋▌", "#"),
        **dict.fromkeys("▍▎▏", "."),
        "▓": "=",
        "▒": "+",
        "░": "-",
        "▚": "%",
        "▞": "/",
        "·": "|",
    }
)

_SPELLED: Final = {"±": "+-"}  # what rules write, where it cannot be encoded
_JOINERS = "\u200c\u200d"  # change how neighbours are drawn, nothing else


@lru_cache(maxsize=4096)
def glyph(character: str, encoding: str) -> str:
    """One character as it can safely be printed: itself, or its escape (`\\x1b`)."""
    category = unicodedata.category(character)
    strange = category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and character not in _JOINERS)
    if not strange:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            if character in _SPELLED:
                return _SPELLED[character]
            strange = True
    return character.encode("unicode_escape").decode() if strange else character


@dataclass(frozen=True, slots=True)
class Page:
    """Where a report is printed. `width` counts cells; paths below `cwd` are shown relative to it."""

    width: int = DEFAULT_WIDTH
    cwd: str = ""
    encoding: str = "utf-8"

    def text(self, text: str) -> str:
        """User text made printable: control characters and what cannot be encoded as escapes."""
        if text.isascii() and text.isprintable():
            return text
        return "".join(glyph(character, self.encoding) for character in text)

    def shortened(self, text: str) -> str:
        """A sentence in which paths below the working directory are relative to it: commands to type."""
        return text.replace(self.cwd + os.sep, "") if self.cwd not in ("", os.sep) else text

    def at(self, location: Location) -> str:
        """`train.py:36:13`, printable."""
        return self.text(place(location, self.cwd))

    def line_at(self, location: Location) -> str:
        """`train.py:36`, printable: where a column would say too much."""
        return self.text(place(Location(location.path, location.line), self.cwd))

    def near(self, location: Location) -> str:
        """`train.py:36`; a file of an installed package from that package on: `lightning/loop.py:9`."""
        return self.line_at(Location(in_package(location.path) or location.path, location.line))


def cells(text: str) -> int:
    """How many terminal cells `text` takes: wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(_cells(character) for character in text)


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    return cell_len(character)


def width_of(out: TextIO, width: int | None) -> int:
    """The width to print at: as asked for, COLUMNS, the terminal's, or 80."""
    if width is not None:
        return max(width, NARROWEST)
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return min(max(int(columns), NARROWEST), WIDEST)
    if is_terminal(out):
        try:
            # a pseudo-terminal that nobody gave a size reports 0
            known = os.get_terminal_size(out.fileno()).columns or DEFAULT_WIDTH
            return min(max(known, NARROWEST), WIDEST)
        except (OSError, ValueError):
            return DEFAULT_WIDTH
    return DEFAULT_WIDTH


def is_terminal(out: TextIO) -> bool:
    """Whether a person's terminal is at the other end."""
    return not out.closed and out.isatty()


def has_color(out: TextIO, color: bool | None) -> bool:
    """Whether to colour: as asked for; never under NO_COLOR; under FORCE_COLOR; else on a terminal."""
    if color is not None:
        return color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "") not in ("", "0", "false"):
        return True
    if os.environ.get("TERM") == "dumb" or not is_terminal(out):
        return False
    return not (sys.platform == "win32" and detect_legacy_windows())


def encoding_of(out: TextIO) -> str:
    """The stream's encoding; UTF-8 for streams of text that have none."""
    return getattr(out, "encoding", None) or "utf-8"


def write(lines: Iterable[Text], out: TextIO, *, color: bool, encoding: str) -> None:
    """Writes the lines, trailing blanks removed, with our drawing characters replaced where they must be."""
    for line in lines:
        line.rstrip()
    text = _colored(lines) if color else "".join(f"{line.plain}\n" for line in lines)
    if not _fits(text, encoding):
        text = "".join(c if _fits(c, encoding) else c.translate(PLAIN) for c in text)
    out.write(text)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _colored(lines: Iterable[Text]) -> str:
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
        width=WIDEST,
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    return buffer.getvalue()
