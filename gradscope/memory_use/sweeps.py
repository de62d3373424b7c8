"""The memory of a step over its depth, batch or sequence: without checkpointing, and with every block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from gradscope.facts.memory import Sweep, SweepKind, SweepPoint
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, BlockModule, Choices
from gradscope.memory_use.available import available_bytes, gib
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.depth import at_depth, find_repeated
from gradscope.memory_use.fakes import faked, optimizer_like
from gradscope.memory_use.measuring import clean_up, is_on_fake, measure
from gradscope.memory_use.sizes import find_axis

_SMALLER: Final = 8  # how many times smaller the default values get
_LARGER: Final = {SweepKind.DEPTH: 2, SweepKind.BATCH: 4, SweepKind.SEQ: 4}
_LARGER_ON_REAL: Final = 2  # where memory is allocated

_Sized: TypeAlias = tuple[Work, Sequence[BlockModule]]


def sweep(
    work: Work,
    kind: SweepKind,
    values: Sequence[int] | None = None,
    blocks: Sequence[BlockModule] | None = None,
) -> Sweep:
    """Measures a step at several sizes; by default its own and powers of two around it.

    On fake tensors where the step runs on them, so that nothing is allocated, else on real ones: a size that
    would not fit this machine is left out then. What a size raises is the `failure` of its point. UsageError
    where the step has no such size.
    """
    blocks = find_blocks(work) if blocks is None else blocks
    with ExitStack() as stack:
        step = _on_fakes(work, stack)
        on_fake = is_on_fake(step)
        swept = _Swept(step, kind, blocks)
        larger = _LARGER[kind] if on_fake else _LARGER_ON_REAL
        chosen = values if values is not None else _around(swept.current, larger)
        return Sweep(kind, tuple(swept.points(chosen)), swept.current, on_fake)


def _on_fakes(work: Work, stack: ExitStack) -> Work:
    """The step on fake tensors, until the stack is left; itself where it is on them, or cannot be."""
    if is_on_fake(work):
        return work
    with ExitStack() as trying:
        try:
            fake = trying.enter_context(faked(work, os.getcwd()))
            measure(fake)
        except Exception:  # noqa: BLE001  whatever it is, real tensors will do
            return work
        stack.push(trying.pop_all())
        return fake


def _around(current: int, larger: int) -> list[int]:
    powers = (2**power for power in range(40))
    return sorted({current, *(each for each in powers if current / _SMALLER <= each <= current * larger)})


class _Swept:
    """A step whose size can be changed."""

    def __init__(self, work: Work, kind: SweepKind, blocks: Sequence[BlockModule]) -> None:
        self._work = work
        self._blocks = blocks
        self._repeated = find_repeated(work.roots, blocks) if kind is SweepKind.DEPTH else None
        self._axis = None if self._repeated is not None else find_axis(work, kind)

    @property
    def current(self) -> int:
        """The size that the step has by itself."""
        if self._repeated is not None:
            return self._repeated.count
        assert self._axis is not None
        return self._axis.current

    def points(self, values: Sequence[int]) -> Iterator[SweepPoint]:
        """One point for each value, in their order."""
        last: SweepPoint | None = None
        for value in values:
            refused = None if last is None else self._too_large(value, last)
            point = SweepPoint(value, failure=refused) if refused else self._point(value)
            if point.plain is not None:
                last = point
            yield point

    def _too_large(self, value: int, last: SweepPoint) -> str | None:
        """Why a size is not tried on real tensors: it would need more, in proportion, than there is."""
        free = available_bytes(self._work.placement.device)
        if is_on_fake(self._work) or free is None or last.plain is None:
            return None
        needed = last.plain * value // last.value
        return f"it would need about {gib(needed)}, and {gib(free)} are free" if needed > free else None

    def _point(self, value: int) -> SweepPoint:
        try:
            with self._at(value) as (work, blocks):
                with _called(self._firsts()) as called:
                    plain = measure(work)
                if self._repeated is not None and len(called) != value:
                    return SweepPoint(value, failure=f"of {value} blocks the model runs {len(called)}")
                every = measure(work, blocks, _every(blocks))
        except Exception as error:  # noqa: BLE001  a point says what the program raised at that size
            clean_up(self._work)
            return SweepPoint(value, failure=_said(error))
        return SweepPoint(value, plain.peak, every.peak, plain.saved, every.saved)

    @contextmanager
    def _at(self, value: int) -> Iterator[_Sized]:
        if self._axis is not None:
            yield self._axis.resized(self._work, value), self._blocks
            return
        assert self._repeated is not None
        with at_depth(self._repeated, self._blocks, value) as blocks:
            roots = self._work.roots
            buffers = [(each, each.detach().clone()) for root in roots for each in root.buffers()]
            optimizer = optimizer_like(self._work.optimizer, roots)
            yield replace(self._work, optimizer=optimizer, _roots=roots, _buffers=buffers), blocks

    def _firsts(self) -> list[nn.Module]:
        """The first module of every repetition, as they are now."""
        return self._repeated.firsts() if self._repeated is not None else []


@contextmanager
def _called(modules: Sequence[nn.Module]) -> Iterator[set[int]]:
    """Inside it the ids of those modules are collected that are called."""
    wanted = {id(each) for each in modules}
    called: set[int] = set()

    def saw(module: nn.Module, _inputs: object) -> None:
        if id(module) in wanted:
            called.add(id(module))

    handle = register_module_forward_pre_hook(saw)
    try:
        yield called
    finally:
        handle.remove()


def _every(blocks: Sequence[BlockModule]) -> Choices:
    return tuple(BLOCK if BLOCK in block.options else NONE for block in blocks)


def _said(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
