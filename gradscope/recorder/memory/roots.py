"""Root modules inside others: a block that the program calls by itself, or that a checkpoint runs again."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from torch import nn

from gradscope.recorder.modules import Root


class Roots:
    """Told of every root that is called. Nothing keeps a module alive."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[Root, weakref.ref[nn.Module]]] = {}  # by ordinal
        self._above: dict[int, tuple[int, str]] = {}  # the root around it, and its path there

    def met(self, root: Root, module: nn.Module) -> bool:
        """A root is called; whether that module of it was not known."""
        known = self._met.get(root.ordinal)
        if known is not None and known[1]() is module:
            return False
        self._met[root.ordinal] = (root, weakref.ref(module))
        self._above.pop(root.ordinal, None)
        for other, reference in self._met.values():
            inside = reference()
            if inside is None or other is root:
                continue
            if path := root.paths.get(id(inside)):
                self._above[other.ordinal] = (root.ordinal, path)
            elif path := other.paths.get(id(module)):
                self._above[root.ordinal] = (other.ordinal, path)
        return True

    def outermost(self) -> Iterator[nn.Module]:
        """The living modules that are not part of another root."""
        for ordinal, (_, reference) in self._met.items():
            module = reference()
            if module is not None and not self.is_inside(ordinal):
                yield module

    def is_inside(self, ordinal: int) -> bool:
        """Whether a root is part of another."""
        return ordinal in self._above

    def path(self, ordinal: int, path: str) -> tuple[int, str]:
        """The outermost root around it, and a path of this root as that one has it."""
        passed = set()
        while ordinal in self._above and ordinal not in passed:
            passed.add(ordinal)
            ordinal, above = self._above[ordinal]
            path = ".".join(filter(None, (above, path)))
        return ordinal, path
