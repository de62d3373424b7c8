"""Objects that blocks hand on and fill with tensors: a cache of keys and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from torch import Tensor, nn

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule
from gradscope.memory_use.attributes import unchanged
from gradscope.recorder.memory.storages import storages_of

_DEPTH: Final = 5
"""How far tensors are looked for: a cache has layers, which have keys."""


def note_on_cache(work: Work, name: str) -> str:
    """What to say of an argument of that class that grows: a checkpoint keeps all that it holds."""
    if any(getattr(getattr(root, "config", None), "use_cache", False) for root in work.roots):
        return (
            f"use_cache=True keeps keys and values of every block in one {name}, which the checkpoints keep: "
            "set model.config.use_cache = False for training"
        )
    return f"the blocks fill one {name} that they are called with, and the checkpoints keep all that it holds"


def growing_argument(work: Work, blocks: Sequence[BlockModule]) -> str | None:
    """The class name of the first argument that holds more when blocks have run than before; None for none.

    It takes one forward, without a graph where the program needs none in it.
    """
    seen: dict[int, tuple[Any, int]] = {}
    grown: list[str] = []

    def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
        for each in _objects([*args, *kwargs.values()]):
            seen.setdefault(id(each), (each, _held(each)))

    def leave(_module: nn.Module, args: Any, kwargs: Any, _output: Any) -> None:
        for each in _objects([*args, *kwargs.values()]):
            known = seen.get(id(each))
            if known is not None and _held(each) > known[1]:
                grown.append(type(each).__name__)

    with ExitStack() as stack:
        for block in blocks:
            entering = block.module.register_forward_pre_hook(enter, with_kwargs=True)
            stack.callback(entering.remove)
            leaving = block.module.register_forward_hook(leave, with_kwargs=True)
            stack.callback(leaving.remove)
        with unchanged(work):
            work.forward_without_graph()
    return grown[0] if grown else None


def _objects(values: Sequence[Any]) -> Iterator[Any]:
    """Those that can be filled: no tensors, numbers or texts."""
    for value in values:
        if isinstance(value, (list, dict)) or (hasattr(value, "__dict__") and not _is_opaque(value)):
            yield value


def _is_opaque(value: Any) -> bool:
    return isinstance(value, (Tensor, nn.Module, type)) or callable(value)


def _held(value: Any) -> int:
    """The bytes of the storages that can be reached from an object."""
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [(value, _DEPTH)]
    while waiting:
        each, depth = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Tensor):
            sizes.update((storage._cdata, storage.nbytes()) for storage in storages_of(each))
        elif depth:
            waiting += [(part, depth - 1) for part in _inside(each)]
    return sum(sizes.values())


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") and not _is_opaque(value) else []
