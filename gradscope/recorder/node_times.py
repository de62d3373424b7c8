"""When each node of one backward pass ran: a hook before it and a hook after it read the clock.

On an accelerator these are the times at which the engine's thread launched a node's kernels, not the times
that the kernels took. Hooks hold an index, never a node: one that held its node would keep the graph alive
until the next garbage collection.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor

Shapes: TypeAlias = tuple[tuple[int, ...] | None, ...]
NOT_RUN = -1
_clock = time.perf_counter_ns
_get_ident = threading.get_ident
_next_sequence_nr = torch._C._autograd._get_sequence_nr


@contextmanager
def without_collection() -> Iterator[None]:
    """For thousands of small allocations that all stay: collections would double the time they take."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class NodeTimes:
    """Times the nodes of one backward pass; `attach` before the engine, `detach` after it, also if it raised.

    By the index of each node in what `attach` was given: `begun_ns` and `ended_ns` are nanoseconds of
    `time.perf_counter_ns`, `NOT_RUN` for a node that did not begin or did not end (it raised); `threads` the
    thread that ran it. With `detailed`, `shapes` holds the shape of each gradient that a node was given,
    None for one that was undefined or of a tensor subclass, and `made` the sequence numbers, from the
    first up to the second, of the nodes that it made (for derivatives of higher order). A node that a
    nested backward runs again keeps the later time. `unhooked` counts nodes that take no hook.
    """

    def __init__(self, *, detailed: bool = False) -> None:
        self.begun_ns: list[int] = []
        self.ended_ns: list[int] = []
        self.threads: list[int] = []
        self.shapes: list[Shapes] = []
        self.made: list[tuple[int, int]] = []
        self.unhooked = 0
        self._detailed = detailed
        self._handles: list[Any] = []

    def attach(self, nodes: Sequence[Any]) -> None:
        """Puts the hooks in.

        Hooks run in the order of their registration: to leave other hooks out of a node's time, attach
        before those that look at its results, and after those that look at what it is given.
        """
        count = len(nodes)
        self.begun_ns = [NOT_RUN] * count
        self.ended_ns = [NOT_RUN] * count
        self.threads = [0] * count
        if self._detailed:
            self.shapes, self.made = [()] * count, [(0, 0)] * count
        before = self._before_in_detail if self._detailed else self._before
        after = self._after_in_detail if self._detailed else self._after
        keep = self._handles.append
        with without_collection():
            for index, node in enumerate(nodes):
                try:
                    keep(node.register_prehook(before(index)))
                    keep(node.register_hook(after(index)))
                except (AttributeError, RuntimeError, TypeError):
                    self.unhooked += 1

    def detach(self) -> None:
        """Removes every hook."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def seconds(self, index: int) -> float | None:
        """How long a node took; None where it did not run to its end."""
        begun, ended = self.begun_ns[index], self.ended_ns[index]
        return None if NOT_RUN in (begun, ended) else (ended - begun) / 1e9

    def _before(self, index: int) -> Callable[[Any], None]:
        begun, threads, clock, ident = self.begun_ns, self.threads, _clock, _get_ident

        def before(_: Any) -> None:
            threads[index] = ident()
            begun[index] = clock()

        return before

    def _before_in_detail(self, index: int) -> Callable[[Any], None]:
        begun, threads, clock, ident = self.begun_ns, self.threads, _clock, _get_ident
        shapes, made, next_sequence_nr = self.shapes, self.made, _next_sequence_nr

        def before(gradients: Any) -> None:
            threads[index] = ident()
            shapes[index] = tuple([tuple(g.shape) if type(g) is Tensor else None for g in gradients])
            made[index] = (next_sequence_nr(), 0)
            begun[index] = clock()

        return before

    def _after(self, index: int) -> Callable[[Any, Any], None]:
        ended, clock = self.ended_ns, _clock

        def after(_: Any, __: Any) -> None:
            ended[index] = clock()

        return after

    def _after_in_detail(self, index: int) -> Callable[[Any, Any], None]:
        ended, made, clock, next_sequence_nr = self.ended_ns, self.made, _clock, _next_sequence_nr

        def after(_: Any, __: Any) -> None:
            ended[index] = clock()
            made[index] = (made[index][0], next_sequence_nr())

        return after
