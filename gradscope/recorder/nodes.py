"""Watches the nodes of backward passes: where NaN and Inf are born, and what zeroes a gradient."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.births import BirthFold
from gradscope.folds.visits import Occasion
from gradscope.folds.zeroing import ZeroFold
from gradscope.recorder.places import Loc
from gradscope.recorder.watched_pass import AccumulateGrad, WatchedPass, place_of

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
    ) -> None:
        """Attaches hooks to all `nodes` reachable from `roots`, just before the engine runs.

        `step` counts backwards from 1. `inputs` are the tensors that `autograd.grad`, or `backward` with
        `inputs=`, was asked for; without them a gradient that `autograd.grad` returns is not attributed.
        `exact` is False in a pass that is looked at because an earlier one went wrong unseen.
        """
        reason = _why_not(roots)
        watched = None
        with torch._C.DisableTorchFunction(), self._lock:
            if reason:
                self.passed_over[reason] += 1
            else:
                trainable = sum(type(node) is AccumulateGrad for node in nodes)
                occasion = Occasion(backward, step, trainable, exact)
                watched = WatchedPass(nodes, roots, inputs, occasion, self.births, self.zeroing)
            self._passes.setdefault(threading.get_ident(), []).append(watched)
            if watched is not None:
                try:
                    watched.attach()
                except Exception as error:  # noqa: BLE001  must not reach the program's backward
                    watched.failed(error)

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
                watched.failed(error)
            finally:
                watched.release()
            self.unwatched += watched.unwatched
            self.failures += len(watched.failures)
            self.faults.update(f"{type(error).__name__}: {error}" for error in watched.failures)


def _why_not(roots: Sequence[Any]) -> str:
    """Why this pass cannot be watched; empty where it can. A root may be a `GradientEdge`."""
    tensors = [root for root in roots if isinstance(root, Tensor)]
    if any(type(root) not in (Tensor, torch.nn.Parameter) for root in tensors):
        return "a tensor subclass"
    if torch._C._functorch.maybe_current_level() is not None:
        return "inside torch.func"
    if any(root.is_meta for root in tensors):
        return "meta tensors"
    if any(root.is_cuda for root in tensors) and torch.cuda.is_current_stream_capturing():
        return "a CUDA graph being captured"
    compiled = sys.modules.get("torch._dynamo.compiled_autograd")
    if getattr(compiled, "compiled_autograd_enabled", False):
        return "compiled autograd"
    return ""
