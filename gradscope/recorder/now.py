"""What is going on at this moment: the op, the module, the grad mode, the epoch.

An *epoch* is the stretch between two ticks; a tick is an optimizer step, or a backward in a program
that has no optimizer. Facts that need "how old is this" count in epochs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch

from gradscope.facts import CutKind
from gradscope.recorder.places import Loc

_current_graph_task_id = torch._C._current_graph_task_id
NO_ROOT = -1


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the program that runs without grad mode, and the line that began it.

    `inside_function` says that grad mode was off already, as it is in a custom Function's forward.
    """

    kind: CutKind
    loc: Loc
    inside_function: bool = False


class _OfThread(threading.local):
    """What is true of one thread only."""

    backward_depth = 0


class Now:
    """The recorder's shared present. Faults of our own are counted here and reported as not seen."""

    def __init__(self) -> None:
        self.op_loc: Loc | None = None  # of the op the function mode is running, on `thread`
        self.thread = threading.get_ident()
        self.module: str | None = None
        self.root_call: Loc | None = None
        self.root = NO_ROOT  # the ordinal of the root module that runs
        self.block: Block | None = None
        self.epoch = 0
        self.in_optimizer: set[int] = set()  # threads in which torch's optimizer code runs
        self._of_thread = _OfThread()
        self.step_codes: set[CodeType] = set()  # functions that have called backward
        self.ops = 0
        self.passes = 0  # backwards of the run, torch's and those of engines of the program's own
        self.faults: Counter[str] = Counter()

    @property
    def in_backward(self) -> bool:
        """Whether this thread, the program's own or one of the engine's, is inside a backward."""
        return self._of_thread.backward_depth > 0 or _current_graph_task_id() != -1

    @property
    def in_engine_thread(self) -> bool:
        """Whether this is a thread of the engine itself, which runs the backwards that others started."""
        return self._of_thread.backward_depth == 0 and _current_graph_task_id() != -1

    @contextmanager
    def backward(self) -> Iterator[None]:
        """Around a backward that this thread starts."""
        self._of_thread.backward_depth += 1
        try:
            yield
        finally:
            self._of_thread.backward_depth -= 1

    @contextmanager
    def outside_optimizer(self) -> Iterator[None]:
        """A closure's backward, called from an optimizer's step, is the program's own again."""
        thread = threading.get_ident()
        was_inside = thread in self.in_optimizer
        self.in_optimizer.discard(thread)
        try:
            yield
        finally:
            if was_inside:
                self.in_optimizer.add(thread)

    def fault(self, where: str, error: BaseException) -> None:
        """Counts a fault of our own: it must not reach the program, and must not be hidden."""
        self.faults[f"{where}: {type(error).__name__}: {error}"] += 1

    def guarded(self, where: str, note: Callable[..., object], *args: Any) -> None:
        """Does bookkeeping, out of sight of every function mode; a fault in it is counted, never raised."""
        try:
            with torch._C.DisableTorchFunction():
                note(*args)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self.fault(where, error)
