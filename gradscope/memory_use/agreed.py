"""What the parts of this package hand each other: blocks, choices, and what one measured step gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from torch import nn

from gradscope.facts import MemoryPhase

NONE: Final = "none"
BLOCK: Final = "block"
SELECTIVE: Final = "selective"

Choices: TypeAlias = tuple[str, ...]
"""One option for each block: NONE, BLOCK (all of it is recomputed), SELECTIVE (all but the outputs of matrix
products is recomputed), or the path, below the block, of a module inside it that is checkpointed alone."""


@dataclass(frozen=True, slots=True)
class BlockModule:
    """A module that can be checkpointed: `path` below the root module number `root` of the work.

    `options` are the choices that it has, NONE first. `reason` says why it has no other. In one step its
    forward is called `calls` times and saves `saved` bytes, all calls together. `changes` are the names,
    below it, of the buffers that its forward changes: a recomputation must not change them again.
    `products` are the ops whose outputs SELECTIVE keeps, as torch names them ("addmm.default").
    """

    root: int
    path: str
    module: nn.Module
    options: Choices = (NONE, BLOCK, SELECTIVE)
    reason: str | None = None
    calls: int = 1
    saved: int = 0
    changes: tuple[str, ...] = ()
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One step. `peak` is all that was alive at once, in bytes, what existed before the step included.

    `peak` is the allocator's own: the profiler's on the CPU, the caching allocator's on an accelerator; on
    fake tensors, which have no allocator, it is `tensors`, the peak of the storages of tensors. `saved` is
    what was alive at the end of the forward beyond its start. `reserved` is None but on an accelerator.
    """

    peak: int
    tensors: int
    phase: MemoryPhase
    saved: int
    reserved: int | None = None
