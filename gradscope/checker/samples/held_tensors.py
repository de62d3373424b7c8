"""Inputs and outputs kept as attributes of `ctx` that the program changes in place before the backward.

The version counter decides; the line is that of the op after which it had moved.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from torch import Tensor

from gradscope.finding import Location
from gradscope.recorder.inplace import storage_of
from gradscope.recorder.places import NOWHERE, Loc, intern_loc, user_frame
from gradscope.recorder.values import tensors_in, version

_MOST_HELD = 256


class _Held:
    """One tensor on a node's `ctx`, its version after forward, and the op that changed it since."""

    __slots__ = ("__weakref__", "attribute", "before", "changed", "function", "node", "tensor")

    def __init__(self, function: Any, attribute: str, node: Any, tensor: Tensor) -> None:
        self.function = function
        self.attribute = attribute
        self.node = weakref.ref(node)
        self.tensor = weakref.ref(tensor)
        self.before = version(tensor)
        self.changed: Loc | None = None


class HeldTensors:
    """`changed` maps (function, attribute) to the line that changed it between forward and backward."""

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self.changed: dict[tuple[Any, str], Location] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at after an op."""
        return not self._held

    def watch(self, function: Any, node: Any, shared: Sequence[Tensor]) -> None:
        """Begins to watch a node's ctx, after its forward. `shared` are its inputs and outputs."""
        memory = {storage_of(tensor) for tensor in shared} - {0}
        found = [
            _Held(function, attribute, node, tensor)
            for attribute, value in list(vars(node).items())
            for tensor in tensors_in(value)
            if storage_of(tensor) in memory and version(tensor) >= 0
        ]
        if found:
            self._held = [*self._held[len(found) - _MOST_HELD :], *found]
            node.register_prehook(self._before_backward(found))

    def op_begins(self) -> None:
        """What has moved already was moved by something that nobody saw."""
        self._moved_by(lambda: NOWHERE)

    def op_ran(self, frame: FrameType) -> None:
        """An op that `frame` called has ended: whatever moved since it began was moved by it."""
        self._moved_by(lambda: intern_loc(user_frame(frame)))

    def _moved_by(self, loc: Callable[[], Loc]) -> None:
        gone = False
        for held in self._held:
            tensor = held.tensor()
            if tensor is None or held.node() is None:
                gone = True
            elif held.changed is None and tensor._version != held.before:
                held.changed = loc()
        if gone:
            self._held = [
                each for each in self._held if each.tensor() is not None and each.node() is not None
            ]

    def _before_backward(self, found: list[_Held]) -> Callable[[Any], None]:
        def look(_gradients: Any) -> None:
            for held in found:
                tensor = held.tensor()
                where = held.changed.location() if held.changed is not None else None
                if where is not None and tensor is not None and version(tensor) != held.before:
                    self.changed.setdefault((held.function, held.attribute), where)

        return look
