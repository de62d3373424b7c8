"""Modules run under `torch.utils.checkpoint`: their forward is rebound, parameters keep their names."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.products import PRODUCTS, ops_named
from gradscope.memory_use.rebinding import rebound

_Context = AbstractContextManager[Any]


@dataclass(slots=True)
class Recomputing:
    """What was recomputed while it was applied: `regions` recomputations took `seconds` together.

    `wait` is called before a clock is read, to let a device finish its work.
    """

    wait: Callable[[], None] | None = None
    regions: int = 0
    seconds: float = 0.0
    _here: threading.local = field(default_factory=threading.local)  # a backward may run in other threads

    def __bool__(self) -> bool:
        """Whether the ops of this thread are recomputed ones now."""
        return self._depth > 0

    @property
    def _depth(self) -> int:
        depth: int = getattr(self._here, "depth", 0)
        return depth

    @contextmanager
    def region(self) -> Iterator[None]:
        """Around one recomputation; one inside another is part of it."""
        outer = self._depth
        self._here.depth = outer + 1
        begun = self._clock()
        try:
            yield
        finally:
            self._here.depth = outer
            if not outer:
                self.regions += 1
                self.seconds += self._clock() - begun

    def _clock(self) -> float:
        if self.wait is not None:
            self.wait()
        return time.perf_counter()


@contextmanager
def applied(
    blocks: Sequence[BlockModule], choices: Choices, wait: Callable[[], None] | None = None
) -> Iterator[Recomputing]:
    """Inside it every block is checkpointed in the way that was chosen for it; afterwards none is.

    What comes out is true while a recomputation runs. A module that is called several times is
    checkpointed at every call.
    """
    recomputing = Recomputing(wait)
    with ExitStack() as stack:
        for block, choice in zip(blocks, choices, strict=True):
            if choice != NONE:
                stack.enter_context(_checkpointed(block, choice, recomputing))
        yield recomputing


def chosen_module(block: BlockModule, choice: str) -> nn.Module:
    """The module that is checkpointed by a choice: the block itself, or one below it."""
    return block.module if choice in (NONE, BLOCK, SELECTIVE) else block.module.get_submodule(choice)


def changed_buffers(block: BlockModule, choice: str) -> list[str]:
    """The names, below the chosen module, of the buffers that its forward changes."""
    inside = "" if choice in (NONE, BLOCK, SELECTIVE) else f"{choice}."
    return [path.removeprefix(inside) for path in block.changes if path.startswith(inside)]


@contextmanager
def _checkpointed(block: BlockModule, choice: str, recomputing: Recomputing) -> Iterator[None]:
    module = chosen_module(block, choice)
    original = module.forward
    owned = (name.rpartition(".") for name in changed_buffers(block, choice))
    buffers = [(module.get_submodule(owner), name) for owner, _, name in owned]
    kept = (ops_named(block.products) if block.products else list(PRODUCTS)) if choice == SELECTIVE else None
    contexts = functools.partial(_contexts, buffers, kept, recomputing)

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(original, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    with rebound(module, forward):
        yield


def _contexts(
    buffers: list[tuple[nn.Module, str]], kept: list[Any] | None, recomputing: Recomputing
) -> tuple[_Context, _Context]:
    """What one forward runs under, and what its recomputation runs under."""
    values = [_copy(owner._buffers[name]) for owner, name in buffers]
    caching, cached = nullcontext(), nullcontext()
    if kept is not None:
        caching, cached = create_selective_checkpoint_contexts(kept)  # type: ignore[no-untyped-call]  # torch's own
    # The selective context is the innermost: it must see the ops of the forward alone.
    around = (recomputing.region, functools.partial(_as_before, buffers, values), lambda: cached)
    return caching, _Again(around)


class _Again:
    """Contexts made anew each time that it is entered: a graph that is retained is recomputed twice."""

    def __init__(self, contexts: Sequence[Callable[[], _Context]]) -> None:
        self._contexts = contexts
        self._stack = ExitStack()

    def __enter__(self) -> None:
        with ExitStack() as stack:
            for each in self._contexts:
                stack.enter_context(each())
            self._stack = stack.pop_all()

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)


@contextmanager
def _as_before(buffers: list[tuple[nn.Module, str]], values: list[Tensor | None]) -> Iterator[None]:
    """Stand-ins take the place of buffers: what the forward began with, to be changed at will.

    The buffers themselves are not touched, so that no graph that saved one can notice.
    """
    own = [owner._buffers[name] for owner, name in buffers]
    try:
        for (owner, name), value in zip(buffers, values, strict=True):
            owner._buffers[name] = _copy(value)
        yield
    finally:
        for (owner, name), buffer in zip(buffers, own, strict=True):
            owner._buffers[name] = buffer


def _copy(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.detach().clone()
