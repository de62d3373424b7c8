"""One plain step, traced: what keeps every storage alive, and how long its backward would need it.

Two passes. In the first the forward runs with nothing saved, as under checkpointing: a storage dies where
the forward itself lets go of it. The second is a whole step, in which every saved tensor is kept by an
object of ours: when the backward unpacks it and when its node lets go of it are seen.
"""

from __future__ import annotations

import gc
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from gradscope.errors import UsageError
from gradscope.facts import MemoryKind, MemoryPhase
from gradscope.folds.storages import NO_MAKER, StorageLog
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, BlockModule
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.measuring import hold_all
from gradscope.memory_use.products import PRODUCTS
from gradscope.memory_use.regions import Regions, RunningCall
from gradscope.memory_use.scratch import Allocator, WatchedStorages, told_by_allocator
from gradscope.memory_use.traced import NEVER, Call, Pack, StepTrace

_NUMBERS: Final = {op: number for number, op in enumerate(PRODUCTS)}
_NAMES: Final = tuple(PRODUCTS.values())
_ATTEMPTS: Final = 2  # what a program makes once and keeps is there the second time


_CUDA_UNIT: Final = 512
"""What the caching allocator of CUDA rounds up to."""


class NotTraceableError(UsageError):
    """A step cannot be predicted, so nothing can be planned; the message says why."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"--budget: this step cannot be planned: {why}",
            try_next="leave out --budget: the usual ways of checkpointing are measured without a plan",
        )


def trace_step(work: Work, blocks: Sequence[BlockModule]) -> StepTrace:
    """Traces one plain step of the work.

    NotTraceableError where that cannot be, or where it does not repeat itself. The gradients that the step
    leaves are removed.
    """
    for _ in range(_ATTEMPTS):
        forward = _Forward(work)
        try:
            with unchanged(work), _no_collection():
                forward.run()
            with unchanged(work), _no_collection(), told_by_allocator(work) as allocator:
                step = _Step(work, blocks, allocator)
                step.run()
        except RuntimeError as error:
            if "saved tensor hooks" not in str(error):
                raise
            raise NotTraceableError("its forward does not allow hooks on saved tensors") from error
        if step.log.sizes[: step.forward_births] == forward.log.sizes:
            return step.trace(forward.let_go())
    raise NotTraceableError("its forward does not allocate the same memory every time")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage in cycles is collected before, not at another moment of each pass."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Pass:
    """A pass under the eyes of a log, which knows what existed before."""

    def __init__(self, work: Work, allocator: Allocator | None = None) -> None:
        self.work = work
        self.log = StorageLog()
        self.live = WatchedStorages(self.log, self.now, allocator, lambda func: _NUMBERS.get(func, NO_MAKER))
        work.zero_grad()
        hold_all(work, self.live)
        self.counted = self.births()
        self.live.hold(work.inputs.tensors(), MemoryKind.INPUT)  # a step makes copies of its own
        self.held = self.births()

    def now(self) -> int:
        """The time."""
        return self.log.now

    def births(self) -> int:
        """How many storages have been born."""
        return len(self.log.sizes)


class _Forward(_Pass):
    """The forward, with nothing saved. At event `ends` it was over."""

    ends = 0

    def run(self) -> None:
        """Runs it."""
        try:
            with self.live, saved_tensors_hooks(lambda _tensor: None, _no_backward), self.work.again():
                loss = self.work.forward()
                self.ends = self.log.now
                del loss
        finally:
            self.live.close()

    def let_go(self) -> array[int]:
        """How many storages had been born when each died, NEVER for those that did not."""
        births, found = 0, array("q", [NEVER]) * len(self.log.sizes)
        for number, is_born in islice(self.log.events(), self.ends):
            if is_born:
                births += 1
            else:
                found[number] = births
        return found


def _no_backward(_packed: Any) -> Tensor:
    raise NotTraceableError("its forward runs a backward of its own")


class _Packed:
    """A saved tensor; that the graph lets go of this object is noted."""

    __slots__ = ("notes", "number", "tensor")

    def __init__(self, tensor: Tensor, number: int, notes: _Step) -> None:
        self.tensor, self.number, self.notes = tensor, number, notes

    def __del__(self) -> None:
        self.notes.released[self.number] = self.notes.tick()


class _Step(_Pass):
    """A plain step."""

    def __init__(self, work: Work, blocks: Sequence[BlockModule], allocator: Allocator | None) -> None:
        super().__init__(work, allocator)
        self.blocks = blocks
        self.regions = Regions(blocks, self.births, self.live.numbers)
        self.packed: list[tuple[list[int], tuple[int, ...]]] = []
        self.unpacked: dict[int, int] = {}
        self.released: dict[int, int] = {}
        self.ticks: list[int] = []  # of each such moment, the event that came next
        self.generator = torch.get_rng_state().nbytes
        self.begins = self.turns = self.ends = self.forward_births = 0

    def run(self) -> None:
        """Runs it; the gradients are gone afterwards."""
        self.log.enter(MemoryPhase.FORWARD)
        try:
            with self.live, self.regions.noted(), saved_tensors_hooks(*self._hooks()):
                self.work.step(self._forward, self._backward, self._end)
        finally:
            self.live.close()
            self.work.zero_grad()

    def _hooks(self) -> tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]:
        """Pack and unpack; where the program compiles, Dynamo must not look into them."""
        if "torch._dynamo" not in sys.modules:
            return self._pack, self._unpack
        hidden: Callable[..., Any] = torch.compiler.disable
        return hidden(self._pack), hidden(self._unpack)

    def now(self) -> int:
        """The time: births, deaths, unpackings and releases so far."""
        return self.log.now + len(self.ticks)

    def tick(self) -> int:
        """The time of what is no event of the log: an unpacking, a release, the turn."""
        time = self.now()
        self.ticks.append(self.log.now)
        return time

    def _pack(self, tensor: Tensor) -> Any:
        if self.log.phase is not MemoryPhase.FORWARD:
            return tensor
        self.regions.packed()
        self.packed.append((self.live.numbers(tensor), self.regions.running))
        return _Packed(tensor, len(self.packed) - 1, self)

    def _unpack(self, packed: Any) -> Tensor:
        if not isinstance(packed, _Packed):
            own: Tensor = packed
            return own
        if packed.number not in self.unpacked:
            self.unpacked[packed.number] = self.tick()
        return packed.tensor

    def _forward(self) -> None:
        self.begins = self.now()

    def _backward(self) -> None:
        self.turns, self.forward_births = self.tick(), self.births()
        self.log.enter(MemoryPhase.BACKWARD)

    def _end(self) -> None:
        self.ends = self.now()
        self.log.enter(MemoryPhase.OPTIMIZER)
        for root in self.work.roots:
            gradients = (each.grad for each in root.parameters() if each.grad is not None)
            self.live.hold(gradients, MemoryKind.GRADIENT)

    def trace(self, let_go: Sequence[int]) -> StepTrace:
        """What was seen, as plain data."""
        if not self.log.is_complete:
            raise NotTraceableError("it allocates and frees memory too many times")
        births, deaths = (array("q", map(self._time_of, events)) for events in self.log.lives())
        unit = _CUDA_UNIT if self.work.placement.device.type == "cuda" else 1
        sizes = array("q", (-(-size // unit) * unit for size in self.log.sizes))
        for number in range(self.counted, self.held):
            sizes[number] = 0
        packs = []
        for number, (storages, calls) in enumerate(self.packed):
            times = self.unpacked.get(number, NEVER), self.released.get(number, self.now())
            packs += [Pack(storage, calls, *times) for storage in storages]
        for pack in packs:
            if self.log.kind(pack.storage) is MemoryKind.OTHER:
                self.log.label(pack.storage, MemoryKind.SAVED)
        return StepTrace(
            sizes=sizes,
            births=births,
            deaths=deaths,
            let_go=let_go,
            kinds=tuple(map(self.log.kind, range(self.births()))),
            events=self.now(),
            held=self.held,
            begins=self.begins,
            turns=self.turns,
            ends=self.ends,
            packs=tuple(packs),
            calls=tuple(map(self._call, self.regions.calls)),
            scratch=self.live.scratch(),
            casts=frozenset(number for number in self.live.casts if let_go[number] == NEVER),
        )

    def _time_of(self, event: int) -> int:
        """The time of an event of the log; NEVER is itself."""
        return event + bisect_right(self.ticks, event) if event != NEVER else NEVER

    def _call(self, seen: RunningCall) -> Call:
        stop = seen.begin if seen.last is None else seen.last
        names = self.blocks[seen.block].products or _NAMES
        kept = (
            number
            for number in range(seen.begin, seen.end)
            if self.log.makers[number] != NO_MAKER and _NAMES[self.log.makers[number]] in names
        )
        inputs = tuple(sorted(seen.inputs))
        return Call(
            seen.block, seen.option, seen.begin, seen.end, stop, inputs, tuple(kept), self._extra(seen)
        )

    def _extra(self, seen: RunningCall) -> int:
        block = self.blocks[seen.block]
        names = (name for name in block.changes if seen.option == BLOCK or name.startswith(f"{seen.option}."))
        changed = (block.module.get_buffer(name) for name in names)
        return self.generator + sum(buffer.untyped_storage().nbytes() for buffer in changed)
