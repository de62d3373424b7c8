"""What is known of one plain step: every storage, what keeps it for the backward, and every call of a block.

Plain data, no tensors. Times are indices of the step's events: births and deaths of storages, first
unpackings and releases of saved tensors, and the turn from forward to backward. A storage is known by its
number, in the order of birth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from gradscope.facts import MemoryKind

NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Pack:
    """A tensor that a node of the graph saved: its `storage`, and the `calls` that were running then.

    `unpacked` is when the backward first took it out, NEVER where it did not; `released` is when the node
    let go of it.
    """

    storage: int
    calls: tuple[int, ...]
    unpacked: int
    released: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a block, or of a module inside it that can be checkpointed alone (`option`).

    `begin` and `end` are the births before and after it; a recomputation stops at `stop`, where the last
    tensor was saved. `inputs` are the storages that a checkpoint of it keeps, `products` those that a
    selective one keeps beside them, `extra` is what every checkpoint keeps of its own: the random state, and
    buffers that the forward changes.
    """

    block: int
    option: str
    begin: int
    end: int
    stop: int
    inputs: tuple[int, ...]
    products: tuple[int, ...] = ()
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory that one op used beyond its outputs: `size` bytes above what was alive before it.

    `event` and `birth` are the next event and the next storage at the start of the op.
    """

    event: int
    birth: int
    size: int


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One plain step. `sizes`, `births`, `deaths` (NEVER for none), `let_go` and `kinds` are by storage.

    `let_go` is how many storages had been born when the forward itself needed it no more, had the graph not
    kept it; NEVER where something else than the graph's saved tensors holds it at the end of the forward.
    `held` existed before the step. `begins`, `turns` and `ends` are the events of the forward's begin, of
    the backward's begin and of its end. `casts` are copies of weights in another dtype, which autocast keeps
    for the whole step: a recomputation finds them as they are.
    """

    sizes: Sequence[int]
    births: Sequence[int]
    deaths: Sequence[int]
    let_go: Sequence[int]
    kinds: Sequence[MemoryKind]
    events: int
    held: int
    begins: int
    turns: int
    ends: int
    packs: tuple[Pack, ...]
    calls: tuple[Call, ...]
    scratch: tuple[Scratch, ...] = ()
    casts: frozenset[int] = frozenset()

    def scratch_between(self, begin: int, stop: int) -> Iterator[Scratch]:
        """What ops used that began after `begin` births and before `stop`."""
        first = bisect_left(self.scratch, begin, key=lambda one: one.birth)
        for one in islice(self.scratch, first, None):
            if one.birth >= stop:
                return
            yield one
