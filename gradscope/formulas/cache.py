"""What was read from torch's files before, in a file of the user's cache folder: one for a version of torch.

The file is only a way of not reading twice. Where it is damaged, of another torch or another gradscope, it
is written anew; where it cannot be written, the formulas are read each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs

from gradscope import __version__
from gradscope.formulas.derivatives import Derivatives

_SHAPE = 2
"""Changes with what is read, and with the shape in which it is stored."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was read, and of which files, as `key` says."""

    key: str
    derivatives: Derivatives


def folder() -> Path | None:
    """Where the file lies; None where this user has no home to keep a cache in."""
    path = Path(platformdirs.user_cache_dir("gradscope"))
    return path if path.is_absolute() else None


def kept(torch: str, fingerprint: str, read: Callable[[], Derivatives]) -> Derivatives:
    """What is stored for a fingerprint; else what `read` returns, which is then stored."""
    key = f"{_SHAPE} {__version__} {fingerprint}"
    place = folder()
    path = None if place is None else place / f"formulas-{_file_name(torch)}.msgpack"
    stored = None if path is None else _load(path, key)
    if stored is None:
        stored = Stored(key, read())
        if path is not None:
            _store(path, stored)
    return stored.derivatives


def _file_name(torch: str) -> str:
    """The version, where it is fit for a file name ("2.13.0+cpu"), or a short digest of it."""
    is_plain = all(each.isalnum() or each in ".+-_" for each in torch) and len(torch) < 64
    return torch if is_plain else hashlib.sha256(torch.encode()).hexdigest()[:12]


def _load(path: Path, key: str) -> Stored | None:
    """What the file holds; None where there is none for this key, or it is damaged."""
    try:
        stored = msgspec.msgpack.decode(path.read_bytes(), type=Stored)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return stored if stored.key == key else None


def _store(path: Path, stored: Stored) -> None:
    """Writes the file whole or not at all: another process may be reading it, or writing the same."""
    # A read-only or full disk costs two seconds the next time, and nothing else.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.msgpack.encode(stored))
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
