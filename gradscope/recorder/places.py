"""Where an op was called from: the innermost frame of the program, kept as (code, instruction, module).

Reading a line number costs more than the op itself, so a `Loc` keeps the code object and the
instruction offset and is resolved to a `Location` only when somebody reports it. Locs are interned:
one object for each instruction and module, so a run of a million ops holds as many as it has lines.
"""

from __future__ import annotations

import itertools
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType

import torch

from gradscope.finding import Location

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep


_INSTALLED = ("numpy", "torchgen", "functorch", "_pytest", "pluggy")


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    site = {paths["purelib"], paths["platlib"]}
    packages = [os.path.join(folder, name) + os.sep for folder in site for name in _INSTALLED]
    return (_PACKAGE, _TORCH, *packages, "<frozen ")


_LIBRARIES = _library_folders()
_STDLIB = tuple({sysconfig.get_paths()[key] + os.sep for key in ("stdlib", "platstdlib")})

_inner: dict[CodeType, bool] = {}


def is_inner(code: CodeType) -> bool:
    """True for code of the libraries, gradscope included: frames that are nobody's bug."""
    known = _inner.get(code)
    if known is None:
        known = _inner[code] = is_library(code.co_filename)
    return known


def is_library(path: str) -> bool:
    """True for a file of torch, NumPy, pytest, the standard library or gradscope."""
    return path.startswith(_LIBRARIES) or (path.startswith(_STDLIB) and "site-packages" not in path)


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the program at or above `frame`."""
    while frame is not None:
        code = frame.f_code
        known = _inner.get(code)
        if not (is_inner(code) if known is None else known):
            return frame
        frame = frame.f_back
    return None


class Loc:
    """An instruction of the program, the module whose forward was running, and who called it.

    `caller` is the line in the training loop from which the program got here (the call of the root
    module, or the line in a function that runs backward), None where it is the same line.

    Torch's anomaly mode stores the object that stands for a "traceback" with every node it creates.
    Ours is a Loc: it must look like a list of strings, because the engine joins it when a backward
    fails, and AOTAutograd calls `copy()` on it and appends to the result.
    """

    __slots__ = ("__weakref__", "_location", "caller", "code", "lasti", "module")

    def __init__(
        self, code: CodeType | None, lasti: int, module: str | None = None, caller: Loc | None = None
    ) -> None:
        self.code = code
        self.lasti = lasti
        self.module = module
        self.caller = caller
        self._location: Location | None = None

    def __iter__(self) -> Iterator[str]:
        return iter([f"  {self}\n"])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str:
        return list(self)[index]

    def copy(self) -> list[str]:
        """A real list: AOTAutograd appends to its copy."""
        return list(self)

    def __str__(self) -> str:
        where = self.location()
        return "unknown place" if where is None else f'File "{where.path}", line {where.line}'

    def location(self) -> Location | None:
        """The place in the source; None for an op that no frame of the program called."""
        if self._location is None and self.code is not None:
            self._location = location_of(self.code, self.lasti, self.module)
        return self._location


NOWHERE = Loc(None, 0)

# Code objects are equal where their text is, also those of two files.
_interned: dict[tuple[CodeType, str, int, str | None, Loc | None], Loc] = {}


def intern_loc(frame: FrameType | None, module: str | None = None, caller: Loc | None = None) -> Loc:
    """The Loc of a frame's current instruction; `NOWHERE` for no frame."""
    if frame is None:
        return NOWHERE
    code = frame.f_code
    key = (code, code.co_filename, frame.f_lasti, module, caller)
    loc = _interned.get(key)
    if loc is None:
        loc = _interned[key] = Loc(code, frame.f_lasti, module, caller)
    return loc


def here(depth: int = 1) -> Loc:
    """The Loc of the program's frame nearest to the caller."""
    return intern_loc(user_frame(sys._getframe(depth + 1)))


def location_of(code: CodeType, lasti: int, module: str | None = None) -> Location:
    """Resolves an instruction to line and columns, counting characters where CPython counts bytes."""
    line, end_line, start, end = next(itertools.islice(code.co_positions(), lasti // 2, None), (None,) * 4)
    if line is None:
        line = end_line = code.co_firstlineno
    path = code.co_filename
    column = None if start is None else _character(path, line, start) + 1
    end_column = None if end is None else _character(path, end_line or line, end) + 1
    return Location(path, line, column, end_line, end_column, code.co_qualname, module)


def _character(path: str, line: int, byte_offset: int) -> int:
    text = linecache.getline(path, line)
    if text.isascii():
        return byte_offset
    return len(text.encode()[:byte_offset].decode(errors="ignore"))


def traceback_locations(traceback: TracebackType | None) -> list[Location]:
    """The program's own frames of a traceback, outermost first."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not is_inner(code):
            found.append(location_of(code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return found
