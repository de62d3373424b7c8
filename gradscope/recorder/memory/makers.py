"""What made a storage: the op, its line, and the module that it ran in."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

import torch

from gradscope.folds.storages import NO_MAKER
from gradscope.recorder.creation import place_of, root_of
from gradscope.recorder.now import Now
from gradscope.recorder.places import NOWHERE, Loc, intern_loc, is_inner

_MOST: Final = 200_000
_get_ident = threading.get_ident
_RECORDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LOOKING: Final = frozenset(
    f"{_RECORDER}{name}.py"
    for name in (
        "chain",
        "factors",
        "forward_search",
        "graphs/capture",
        "graphs/constants",
        "graphs/passing",
        "half_pass",
        "halves",
        "held_gradients",
        "hook_effects",
        "hook_probes",
        "leaves",
        "loss_scale",
        "memory_aliases",
        "node_hooks",
        "nodes",
        "nonfinite",
        "norms",
        "received",
        "rounding",
        "saved",
        "scale",
        "severance",
        "small_graph",
        "stats",
        "watched_pass",
        "zeroing",
    )
)
"""The recorder's own files that look at tensors: what they allocate is not the program's."""


class Makers:
    """Asked at every birth. What several storages have in common is one entry, known by its index.

    `door` is the function through which every backward goes: what is above it did not run in a backward.
    """

    def __init__(self, now: Now, door: CodeType) -> None:
        self._now = now
        self._door = door
        self._index: dict[tuple[Any, Loc, int], int] = {}
        self._entries: list[tuple[Any, Loc, int]] = []
        self.backward = NOWHERE  # the line of the backward that runs
        self.is_walked = False  # whether every node of its graph has been seen already
        self.before: Callable[[], None] = _nobody

    def __call__(self, func: Any) -> int | None:
        """The index of what runs now; None for the recorder's own ops."""
        now = self._now
        loc, root = now.op_loc, now.root
        if loc is None or now.thread != _get_ident() or now.in_backward:
            found = self._outside_the_mode()
            if found is None:
                return None
            loc, root = found
        self.before()
        key = (func, loc, root)
        index = self._index.get(key)
        if index is None:
            if len(self._entries) >= _MOST:
                return NO_MAKER
            index = self._index[key] = len(self._entries)
            self._entries.append(key)
        return index

    def _outside_the_mode(self) -> tuple[Loc, int] | None:
        """Where an op comes from that the function mode does not see: in a backward, in an optimizer."""
        now = self._now
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if code is self._door:
                break
            if not is_inner(code):
                return intern_loc(frame, now.module, now.root_call), now.root
            if is_looking(code):
                return None
            frame = frame.f_back
        if self.is_walked:
            node = torch._C._current_autograd_node()
            place = place_of(node) if node is not None else None
            if place is not None and place.code is not None:
                return place, root_of(node)
        return (self.backward if now.in_backward else NOWHERE), now.root

    def entry(self, index: int) -> tuple[str, Loc, int] | None:
        """(name of the op, its line, ordinal of the root module); None where it is not known."""
        if not 0 <= index < len(self._entries):
            return None
        func, loc, root = self._entries[index]
        return op_name(func), loc, root

    def in_module(self, index: int) -> bool:
        """Whether it was made inside the forward of a root module."""
        return 0 <= index < len(self._entries) and self._entries[index][1].module is not None


def _nobody() -> None:
    """Where nobody asks to be told."""


_looking: dict[CodeType, bool] = {}


def is_looking(code: CodeType) -> bool:
    """Whether this is code of the recorder's own that looks at tensors."""
    known = _looking.get(code)
    if known is None:
        known = _looking[code] = code.co_filename in _LOOKING
    return known


def op_name(func: Any) -> str:
    """The name of a dispatched op without its overload: "mm", "_foreach_add"."""
    packet = getattr(func, "overloadpacket", func)
    return str(getattr(packet, "__name__", packet))
