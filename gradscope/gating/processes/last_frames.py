"""Where a process was: the program's own lines in what `faulthandler` wrote. No torch here."""

from __future__ import annotations

import linecache
import os
import re
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import gradscope
from gradscope.errors import printable
from gradscope.finding import Location

MAIN: Final = "Main thread 0x"
"""How the file begins, which `faulthandler` writes into: with the main thread's number."""

_FRAME: Final = re.compile(r'^  File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)$')
_THREAD: Final = re.compile(r"^(?P<current>Current t|T)hread 0x(?P<number>[0-9a-f]+)")
_FATAL: Final = re.compile(r"^(Fatal |Windows fatal )", re.MULTILINE)
_LIBRARIES: Final = ("torch", "torchgen", "functorch", "numpy")
_FIRST: Final = 3
_LAST: Final = 8
"""Frames of a traceback that are shown; those in the middle of a deep recursion tell nothing."""


@dataclass(slots=True)
class _Thread:
    number: int
    is_current: bool
    frames: list[Location] = field(default_factory=list)  # innermost first


def frames_of_crash(text: str) -> tuple[Location, ...]:
    """The program's frames, innermost last, of the thread in which a process crashed."""
    starts = [found.start() for found in _FATAL.finditer(text)]
    threads = _threads(text[starts[-1] :]) if starts else []
    return _first_known(sorted(threads, key=lambda each: not each.is_current))


def frames_of_hang(text: str, after: int) -> tuple[Location, ...]:
    """The program's frames, innermost last, of the main thread in what was written `after` so many
    characters; where it is in none of the program's, as when threads are waited for, those of another thread.
    """
    number = _main_number(text)
    threads = _threads(text[after:])
    return _first_known(sorted(threads, key=lambda each: each.number != number))


def traceback_lines(frames: Sequence[Location], folder: str) -> tuple[str, ...]:
    """The frames as Python shows them, paths from `folder` on."""
    left_out = len(frames) - _FIRST - _LAST
    if left_out <= 1:
        return tuple(line for place in frames for line in _frame_lines(place, folder))
    first = [line for place in frames[:_FIRST] for line in _frame_lines(place, folder)]
    last = [line for place in frames[-_LAST:] for line in _frame_lines(place, folder)]
    return (*first, f"  ... {left_out} more ...", *last)


def _frame_lines(place: Location, folder: str) -> list[str]:
    line = f'  File "{shown_path(place.path, folder)}", line {place.line}, in {place.function}'
    source = linecache.getline(place.path, place.line).strip()
    return [printable(line), *([printable(f"    {source}")] if source else [])]


def shown_path(path: str, folder: str) -> str:
    """The path from `folder` on, where it lies below."""
    inside = path.startswith(folder.rstrip(os.sep) + os.sep)
    return os.path.relpath(path, folder) if inside else path


def _main_number(text: str) -> int:
    first = text.partition("\n")[0]
    return int(first.removeprefix(MAIN), 16) if first.startswith(MAIN) else 0


def _threads(text: str) -> list[_Thread]:
    threads: list[_Thread] = []
    for line in text.splitlines():
        if head := _THREAD.match(line):
            threads.append(_Thread(int(head["number"], 16), head["current"] != "T"))
        elif (found := _FRAME.match(line)) and threads:
            place = Location(found["path"], int(found["line"]), function=found["function"])
            threads[-1].frames.append(place)
    return threads


def _first_known(threads: Sequence[_Thread]) -> tuple[Location, ...]:
    """The program's frames of the first thread that has any."""
    for thread in threads:
        known = [place for place in thread.frames if not _is_library(place.path)]
        # a package that is installed is the program's only where nothing else is
        own = [place for place in known if "site-packages" not in place.path]
        if own or known:
            return tuple(reversed(own or known))
    return ()


def _is_library(path: str) -> bool:
    """True for a file of gradscope, torch, NumPy or the standard library, and for code without a file."""
    return path.startswith(_FOLDERS) or (path.startswith(_STDLIB) and "site-packages" not in path)


def _folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    package = os.path.dirname(os.path.abspath(gradscope.__file__)) + os.sep
    sites = {paths["purelib"], paths["platlib"]}
    return (package, "<", *(os.path.join(site, name) + os.sep for site in sites for name in _LIBRARIES))


_FOLDERS: Final = _folders()
_STDLIB: Final = tuple({sysconfig.get_paths()[key] + os.sep for key in ("stdlib", "platstdlib")})
