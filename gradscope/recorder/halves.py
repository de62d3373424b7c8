"""Watches what float16 flushes out of gradients, in the first backwards of each line that have any."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.halves import HalfFold
from gradscope.folds.places import Place
from gradscope.folds.visits import Occasion
from gradscope.recorder.half_pass import HalfPass, has_half
from gradscope.recorder.stats import why_unreadable

_PASSES = 5
_MOST_LINES = 64


class HalfWatch:
    """Looks at a few backwards of each line: by number the powers of two, and after overflow the next.

    A graph without float16 costs a glance at its nodes. `faults` counts hooks that failed, by text.
    """

    def __init__(self) -> None:
        self.fold = HalfFold()
        self.faults: Counter[str] = Counter()
        self._seen: Counter[Place | None] = Counter()
        self._examined: Counter[Place | None] = Counter()
        self._overflowed: set[Place | None] = set()
        self._running: list[tuple[int, HalfPass, Occasion]] = []
        self._lock = threading.Lock()

    def before(self, nodes: Sequence[Any], roots: Sequence[Tensor], occasion: Occasion) -> None:
        """Attaches hooks just before the engine runs, where this backward is one to be examined."""
        try:
            if self._wanted(occasion.backward) and has_half(nodes) and not _would_be_seen(roots):
                with self._lock:
                    this = HalfPass(nodes)
                    self._running.append((threading.get_ident(), this, occasion))
                    this.attach()
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            self._failed(error)

    def after(self) -> None:
        """Removes this thread's hooks and folds what they saw; call it in `finally`."""
        thread = threading.get_ident()
        with self._lock:
            mine = [one for one in self._running if one[0] == thread]
            self._running = [one for one in self._running if one[0] != thread]
        for _, this, occasion in mine:
            backward = occasion.backward
            try:
                this.detach()
                self.faults.update(this.failures)
                self.fold.add(this.outcome, occasion)
                if this.outcome.spoiled:
                    self._overflowed.add(backward)
                else:
                    self._overflowed.discard(backward)
                    self._examined[backward] += 1
            except Exception as error:  # noqa: BLE001  nor what comes after it
                self._failed(error)

    def _wanted(self, backward: Place | None) -> bool:
        if backward not in self._seen and len(self._seen) >= _MOST_LINES:
            return False
        self._seen[backward] += 1
        number = self._seen[backward]
        power_of_two = number & (number - 1) == 0
        return self._examined[backward] < _PASSES and (power_of_two or backward in self._overflowed)

    def _failed(self, error: Exception) -> None:
        self.faults[f"{type(error).__name__}: {error}"] += 1


def _would_be_seen(roots: Sequence[Tensor]) -> bool:
    """Whether the program would notice ops of ours: a dispatch mode of its own, or a warning given twice."""
    return (
        bool(why_unreadable(roots))
        or torch._C._len_torch_dispatch_stack() > 0
        or torch.is_deterministic_algorithms_warn_only_enabled()
    )
