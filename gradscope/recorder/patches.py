"""Replaced attributes and registered hooks, undone in reverse order whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Removable(Protocol):
    """What torch's `register_*_hook` functions return."""

    def remove(self) -> None:
        """Takes the hook out."""


_MISSING = object()


class Patches:
    """Everything that was put in, so that all of it can be taken out."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, new: Any) -> Any:
        """Sets `owner.name` to `new` until `undo`; returns what stood there."""
        old = vars(owner).get(name, _MISSING)
        before = getattr(owner, name)
        setattr(owner, name, new)

        def restore() -> None:
            if old is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, old)

        self._undo.append(restore)
        return before

    def hook(self, handle: Removable) -> None:
        """Removes `handle` at `undo`."""
        self._undo.append(handle.remove)

    def finally_do(self, action: Callable[[], object]) -> None:
        """Runs `action` at `undo`."""
        self._undo.append(action)

    def undo(self) -> None:
        """Takes everything out, last in first out; every step is tried, the first error is raised."""
        first: BaseException | None = None
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as error:  # noqa: BLE001  the remaining patches must still come out
                first = first or error
        if first is not None:
            raise first


def named_like(original: Any, replacement: Any) -> Any:
    """Gives a replacement the original's name and documentation, where it has them."""
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        if hasattr(original, name):
            setattr(replacement, name, getattr(original, name))
    return replacement
