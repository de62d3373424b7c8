"""Which calls of blocks are running: the stretches of a forward that a checkpoint would run again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule
from gradscope.memory_use.rebinding import rebound

_MOST_DEEP: Final = 7


@dataclass(slots=True)
class RunningCall:
    """A call of the module that `option` checkpoints in block number `block`.

    Positions are what the `position` of `Regions` gave: where it began and ended, and where it last saved
    a tensor (None: it saved none). `inputs` are storages of what it was given.
    """

    block: int
    option: str
    begin: Any
    last: Any = None
    end: Any = None
    inputs: set[int] = field(default_factory=set)


class Regions:
    """Notes every call of the blocks, and of the modules in them that can be checkpointed alone.

    `position` is asked at each border; `numbers` gives the storages of a tensor that was handed in.
    """

    def __init__(
        self,
        blocks: Sequence[BlockModule],
        position: Callable[[], Any],
        numbers: Callable[[Tensor], list[int]] = lambda _tensor: [],
    ) -> None:
        self._blocks = blocks
        self._position = position
        self._numbers = numbers
        self.calls: list[RunningCall] = []
        self._open: list[int] = []
        self._sharing: WeakKeyDictionary[Any, list[int]] = WeakKeyDictionary()

    @property
    def running(self) -> tuple[int, ...]:
        """The numbers of the calls that are running, the outermost first."""
        return tuple(self._open)

    def packed(self) -> None:
        """A tensor was saved now."""
        if self._open:
            now = self._position()
            for call in self._open:
                self.calls[call].last = now

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Inside it the forwards of the modules are rebound."""
        with ExitStack() as stack:
            for number, block in enumerate(self._blocks):
                for option, module in _modules(block):
                    stack.enter_context(rebound(module, self._noting(module, number, option)))
            yield

    def _noting(self, module: nn.Module, block: int, option: str) -> Callable[..., Any]:
        """The forward of a module that notes its calls."""
        original = module.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            number = len(self.calls)
            call = RunningCall(block, option, self._position())
            self.calls.append(call)
            self._given(number, args, kwargs)
            self._open.append(number)
            try:
                return original(*args, **kwargs)
            finally:
                self._open.remove(number)
                call.end = self._position()
                self._given(number, args, kwargs)  # a cache among them has grown

        return forward

    def _given(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Notes the storages that a checkpoint of the call keeps with its arguments."""
        for value in (*args, *kwargs.values()):
            sharing = [number]
            if _can_be_shared(value):
                sharing = self._sharing.setdefault(value, [])
                if number not in sharing:
                    sharing.append(number)
            found = set(self._storages_in(value))
            for each in sharing:
                self.calls[each].inputs |= found

    def _storages_in(self, value: Any, depth: int = 0) -> Iterator[int]:
        if isinstance(value, Tensor):
            yield from self._numbers(value)
        elif depth < _MOST_DEEP:
            for part in _parts(value):
                yield from self._storages_in(part, depth + 1)


def _can_be_shared(value: Any) -> bool:
    """Whether it is an object, such as a cache, that calls may be given one after the other and fill."""
    plain = (Tensor, nn.Module, type, str, int, float, complex, bytes, tuple, list, dict, set, frozenset)
    if value is None or isinstance(value, plain) or callable(value):
        return False
    return hasattr(value, "__weakref__") and isinstance(value, Hashable)


def _parts(value: Any) -> list[Any]:
    """What a container or a plain object of somebody's class holds."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (nn.Module, type)) or callable(value):
        return []
    return list(getattr(value, "__dict__", {}).values())


def _modules(block: BlockModule) -> Iterator[tuple[str, nn.Module]]:
    options = set(block.options)
    if options & {BLOCK, SELECTIVE}:
        yield BLOCK, block.module
    for option in block.options:
        if option not in (NONE, BLOCK, SELECTIVE):
            yield option, block.module.get_submodule(option)
