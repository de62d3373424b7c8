"""Watches the nodes of backward passes: where NaN and Inf are born, and what zeroes a gradient."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from gradscope.folds.births import BirthFold
from gradscope.folds.visits import Occasion
from gradscope.folds.zeroing import ZeroFold
from gradscope.recorder.creation import place_of
from gradscope.recorder.places import Loc
from gradscope.recorder.stats import why_unreadable
from gradscope.recorder.watched_pass import Hooks, WatchedPass

__all__ = ["NodeWatch", "place_of"]


class NodeWatch:
    """Watches the nodes of a backward pass while it runs: where NaN/Inf is born, what zeroes a gradient.

    `failures` counts hooks that failed (`faults` says how), `unwatched` gradients of a tensor subclass that
    were not looked at, and `passed_over` backward passes that could not be watched, by reason.
    """

    def __init__(self) -> None:
        self.births = BirthFold()
        self.zeroing = ZeroFold()
        self.failures = 0
        self.faults: Counter[str] = Counter()
        self.unwatched = 0
        self.passed_over: Counter[str] = Counter()
        self.hooks: Hooks | None = None
        self._passes: dict[int, list[WatchedPass | None]] = {}
        self._lock = threading.Lock()

    def before(
        self,
        nodes: Sequence[Any],
        roots: Sequence[Any],
        backward: Loc | None,
        *,
        step: int,
        inputs: Sequence[Any] | None = None,
        exact: bool = True,
        scale: float | None = None,
    ) -> None:
        """Attaches hooks to all `nodes` reachable from `roots`, just before the engine runs.

        `step` counts backwards from 1. `inputs` are the tensors that `autograd.grad`, or `backward` with
        `inputs=`, was asked for; without them a gradient that `autograd.grad` returns is not attributed.
        `exact` is False in a pass that is looked at because an earlier one went wrong unseen. `scale` is
        what a GradScaler has multiplied the loss by.
        """
        watched = None
        with torch._C.DisableTorchFunction(), self._lock:
            passes = self._passes.setdefault(threading.get_ident(), [])
            try:
                reason = why_unreadable(roots)
                if reason:
                    self.passed_over[reason] += 1
                else:
                    occasion = Occasion(backward, step, 0, exact, scale)
                    watched = WatchedPass(
                        nodes, roots, inputs, occasion, self.births, self.zeroing, self.hooks
                    )
                    passes.append(watched)
                    watched.attach()
            except Exception as error:  # noqa: BLE001  must not reach the program's backward
                self._failed(error)
            if watched is None:
                passes.append(None)

    def after(self) -> None:
        """Removes every hook of this thread's latest pass and folds what they saw; call it in `finally`."""
        thread = threading.get_ident()
        with torch._C.DisableTorchFunction(), self._lock:
            passes = self._passes.get(thread, [])
            watched = passes.pop() if passes else None
            if not passes:
                self._passes.pop(thread, None)
            if watched is None:
                return
            try:
                watched.detach()
                watched.fold()
            except Exception as error:  # noqa: BLE001
                self._failed(error)
            finally:
                watched.release()
            self.unwatched += watched.unwatched
            self.failures += watched.failures.total()
            self.faults.update(watched.failures)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.faults[f"{type(error).__name__}: {error}"] += 1
