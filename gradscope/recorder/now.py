"""What is going on at this moment: the op, the module, the grad mode, the epoch.

An *epoch* is the stretch between two ticks; a tick is an optimizer step, or a backward in a program
that has no optimizer. Facts that need "how old is this" count in epochs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch

from gradscope.facts import CutKind
from gradscope.recorder.places import Loc


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the program that runs without grad mode, and the line that began it.

    `inside_function` says that grad mode was off already, as it is in a custom Function's forward.
    """

    kind: CutKind
    loc: Loc
    inside_function: bool = False


class Now:
    """The recorder's shared present. Faults of our own are counted here and reported as not seen."""

    def __init__(self) -> None:
        self.op_loc: Loc | None = None  # of the op the function mode is running, on `thread`
        self.thread = threading.get_ident()
        self.module: str | None = None
        self.root_call: Loc | None = None
        self.block: Block | None = None
        self.epoch = 0
        self.optimizer_depth = 0
        self.backward_depth = 0
        self.step_codes: set[CodeType] = set()  # functions that have called backward
        self.ops = 0
        self.faults: Counter[str] = Counter()

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
