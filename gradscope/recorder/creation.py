"""The line of every backward node, told by the node's own constructor.

Anomaly mode asks `torch.fx.traceback.format_stack` for a traceback whenever a node is made, and keeps
the answer in `node.metadata["traceback_"]`. We answer with a `Birth`: the Loc and the epoch. It costs
a tenth of what a formatted stack costs, works in every thread, and lives exactly as long as its node,
so counting living births tells how many old graphs are still held.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import torch
import torch.fx.traceback

from gradscope.recorder.now import NO_ROOT, Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import NOWHERE, Loc, intern_loc, user_frame

_get_ident = threading.get_ident
_PARENT = "gradscope_parent"


# A failing backward makes anomaly mode print this on stderr, also when the program catches the error.
_NOISE = ("ignore", re.compile(r"Error detected in \S+ Traceback of forward call"), UserWarning, None, 0)


def _silence(on: bool) -> None:
    while _NOISE in warnings.filters:
        warnings.filters.remove(_NOISE)  # type: ignore[attr-defined]
    if on:
        warnings.filters.insert(0, _NOISE)  # type: ignore[attr-defined]


class Birth:
    """Stands for the traceback of all nodes that one line made in one epoch, in one root module.

    The engine joins it as a list of strings when a backward fails; AOTAutograd copies it and appends.
    """

    __slots__ = ("__weakref__", "epoch", "loc", "root")

    def __init__(self, loc: Loc, epoch: int, root: int = NO_ROOT) -> None:
        self.loc = loc
        self.epoch = epoch
        self.root = root

    def __iter__(self) -> Iterator[str]:
        return iter(self.loc)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str:
        return self.loc[index]

    def copy(self) -> list[str]:
        """A real list of strings."""
        return list(self)


class NodeBirths:
    """Answers for `format_stack`, and knows which epochs still have living nodes."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._epoch = -1
        self._current: dict[Loc, Birth] = {}
        self._living: dict[int, weakref.WeakSet[Birth]] = {}

    def install(self, patches: Patches) -> None:
        """Turns anomaly mode on without its NaN check, with our answer for the stack.

        The program may still turn anomaly mode on for itself: then it gets its NaN check and its
        message; when it turns it off, ours stays on.
        """
        was_enabled, was_checking = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
        set_anomaly_enabled = torch.set_anomaly_enabled
        theirs = [was_enabled]

        def set_for_the_program(enabled: bool, check_nan: bool = True) -> None:
            theirs[0] = enabled
            set_anomaly_enabled(True, enabled and check_nan)
            _silence(not enabled)

        patches.replace(torch.fx.traceback, "format_stack", self.format_stack)
        patches.replace(torch, "set_anomaly_enabled", set_for_the_program)
        patches.replace(torch, "is_anomaly_enabled", lambda: theirs[0])
        patches.finally_do(lambda: _silence(False))
        patches.finally_do(lambda: set_anomaly_enabled(theirs[0], was_checking))
        set_for_the_program(was_enabled, was_checking)

    def format_stack(self) -> Any:
        """The Birth for a node that is being made right now."""
        now = self._now
        try:
            loc = now.op_loc
            if loc is None or now.thread != _get_ident():
                loc = intern_loc(user_frame(sys._getframe(1)), now.module, now.root_call)
            if now.epoch != self._epoch:
                self._begin_epoch(now.epoch)
            birth = self._current.get(loc)
            if birth is None or birth.root != now.root:
                birth = self._current[loc] = Birth(loc, now.epoch, now.root)
                self._living[now.epoch].add(birth)
        except Exception as error:  # noqa: BLE001  would surface inside the user's op
            now.fault("line of a node", error)
            return Birth(NOWHERE, now.epoch)
        return birth

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._current = {}
        for old in [e for e, births in self._living.items() if not births]:
            del self._living[old]
        self._living.setdefault(epoch, weakref.WeakSet())

    def living_epochs(self, before: int) -> list[int]:
        """The epochs before `before` of which a node is still alive, oldest first."""
        return sorted(epoch for epoch, births in self._living.items() if epoch < before and births)


def place_of(node: Any) -> Loc | None:
    """The Loc of a node's line, None where the node was made while nobody recorded."""
    kept = node.metadata.get("traceback_")
    place = getattr(kept, "loc", kept)
    return place if isinstance(place, Loc) else None


def drop_parent(node: Any) -> None:
    """Lets go of the node in whose backward this one was made: only its name and order are kept."""
    metadata: Any = node.metadata
    parent = metadata.pop("parent_", None)
    if parent is not None:
        before = parent_of(parent)
        metadata[_PARENT] = (parent.name().rpartition("::")[2], 2 if before is None else before[1] + 1)


def parent_of(node: Any) -> tuple[str, int] | None:
    """The name of the node in whose backward this one was made, and how often it is differentiated."""
    found: tuple[str, int] | None = node.metadata.get(_PARENT)
    return found


def root_of(node: Any) -> int:
    """The ordinal of the root module that a node was made in, `NO_ROOT` for none."""
    root: int = getattr(node.metadata.get("traceback_"), "root", NO_ROOT)
    return root
