"""One forward watched: which modules it calls, what each saves, and what a checkpoint of it must respect."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import is_fake
from torch.autograd.graph import Node, saved_tensors_hooks
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import CheckpointFunction

from gradscope.loader.work import Work
from gradscope.memory_use.attributes import generators_of, random_states, unchanged
from gradscope.memory_use.products import PRODUCTS, is_random
from gradscope.recorder.memory.storages import storages_of

_ANYWHERE = 0
"""No id of an object: what is saved in whatever module."""


@dataclass(slots=True)
class Called:
    """What the calls of one module did, in one forward: `first` is the number of its first call.

    `saved` is the bytes of storages that were first saved inside it, those of parameters and buffers apart;
    `keeps` those that it saves at all, and `gain` what a checkpoint of it alone would save: what nothing
    else saves, less the inputs that would have to be kept for it.
    `products` are the matrix products that ran in it, None for those whose output must not be kept.
    `before` and `after` are the nodes of the graph that its first call began with and ended with, `changes`
    the names, below it, of buffers that the forward changed. `draws` names the generators that it drew from
    and that no checkpoint rewinds ("Python's random"). `is_checkpointed` says that the program checkpoints
    it, or modules directly in it, already.
    """

    root: int
    path: str
    module: nn.Module
    first: int = -1
    calls: int = 0
    saved: int = 0
    keeps: int = 0
    gain: int = 0
    products: dict[str, bool] = field(default_factory=dict)
    before: tuple[Node, ...] = ()
    after: tuple[Node, ...] = ()
    changes: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    is_checkpointed: bool = False


def watch_forward(work: Work) -> list[Called]:
    """All modules of the roots, in the order of their registration, after one forward of the work.

    Nothing that the forward saves is kept: it needs no more memory than one without a graph. Where it runs
    a backward of its own, it is run again, and what is saved is kept.
    """
    try:
        return _watched(work, keeping=False)
    except _NotKept:
        return _watched(work, keeping=True)


def _watched(work: Work, *, keeping: bool) -> list[Called]:
    found = {
        id(module): Called(number, path, module)
        for number, root in reversed(list(enumerate(work.roots)))
        for path, module in root.named_modules()
    }
    watcher = _Watcher(found, work, keeping=keeping)
    with unchanged(work), work.again():
        buffers = _Buffers(work)
        with watcher.watching():
            work.forward()
        changed = buffers.changed()
    watcher.count_gains()
    for called in found.values():
        inside = dict(called.module.named_modules())
        called.changes = tuple(
            f"{path}.{name}".lstrip(".")
            for path, module in inside.items()
            for name, _ in _buffers_of(module)
            if (id(module), name) in changed
        )
    return sorted(found.values(), key=lambda each: each.root)


class _Watcher:
    """Knows the modules that run now, and tells each of what happens."""

    def __init__(self, found: dict[int, Called], work: Work, *, keeping: bool) -> None:
        self._keeping = keeping
        self._found = found
        self._running: list[Called] = []
        self._states: list[dict[str, Any]] = []  # by running module: the generators when it was called
        self._generators = {
            key: tuple(generators_of(called.module.modules())) for key, called in found.items()
        }
        self._known: dict[int, tuple[ref[torch.UntypedStorage], int]] = {}
        self._sizes: list[int] = []  # by the number of a storage
        self._saves: dict[int, set[int]] = defaultdict(set)  # by module: the storages that it saves
        self._takes: dict[int, set[int]] = defaultdict(set)  # and those that it is given
        self._saved_by: dict[int, list[frozenset[int]]] = defaultdict(list)
        self._count = 0
        own = [each for root in work.roots for each in (*root.parameters(), *root.buffers())]
        self._own = {storage._cdata for each in own for storage in storages_of(each)}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around the forward."""
        with ExitStack() as stack:
            for each in self._found.values():
                if isinstance(each.module, torch.jit.ScriptModule):
                    continue  # takes no hooks
                enter = each.module.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True)
                stack.callback(enter.remove)
                leave = each.module.register_forward_hook(self._leave, always_call=True)
                stack.callback(leave.remove)
            stack.enter_context(saved_tensors_hooks(self._saved, _kept))
            stack.enter_context(_Ops(self._running))
            yield

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        called = self._found[id(module)]
        called.calls += 1
        if called.first < 0:
            called.first = self._count
            called.before = _nodes((args, kwargs))
        if _in_checkpoint():
            for each in (called, *self._running[-1:]):
                each.is_checkpointed = True
        for tensor in tensors_of((args, kwargs)):
            self._takes[id(called)].update(self._numbers(tensor))
        self._count += 1
        self._running.append(called)
        self._states.append(random_states(self._generators[id(module)]))

    def _leave(self, module: nn.Module, _args: Any, output: Any) -> None:
        called = self._running.pop()
        before, now = self._states.pop(), random_states(self._generators[id(module)])
        drawn = [name for name, state in before.items() if now.get(name) != state]
        called.draws = tuple(dict.fromkeys([*called.draws, *drawn]))
        if called.calls == 1:
            called.after = _nodes(output)

    def _saved(self, tensor: Tensor) -> Tensor | None:
        for number in self._numbers(tensor):
            running = {id(each): each for each in self._running}
            is_new = number not in self._saves[_ANYWHERE]
            for key, called in running.items():
                called.saved += self._sizes[number] if is_new else 0
                self._saves[key].add(number)
            self._saves[_ANYWHERE].add(number)
            self._saved_by[number].append(frozenset(running))
        return tensor if self._keeping else None

    def _numbers(self, tensor: Tensor) -> Iterator[int]:
        """The numbers of the storages behind a tensor, those of parameters and buffers apart."""
        for storage in storages_of(tensor):
            if storage._cdata in self._own:
                continue
            known = self._known.get(storage._cdata)
            if known is None or known[0]() is None:
                known = self._known[storage._cdata] = (ref(storage), len(self._sizes))
                self._sizes.append(storage.nbytes())
            yield known[1]

    def count_gains(self) -> None:
        """Fills in what every module keeps, and what a checkpoint of it would gain."""
        for called in self._found.values():
            key = id(called)
            saves, takes = self._saves[key], self._takes[key]
            alone = {each for each in saves if all(key in running for running in self._saved_by[each])}
            to_keep = takes - self._saves[_ANYWHERE]
            called.keeps = sum(self._sizes[each] for each in saves)
            called.gain = sum(self._sizes[each] for each in alone - takes) - sum(
                self._sizes[each] for each in to_keep
            )


def _in_checkpoint() -> bool:
    """Whether a checkpoint of the program's own runs now."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(False)
    if hooks is not None and hooks[0].__qualname__.startswith("_checkpoint_hook."):
        return True
    frame = None if torch.is_grad_enabled() else sys._getframe(1)  # a reentrant one keeps no graph
    while frame is not None and frame.f_code is not CheckpointFunction.forward.__code__:
        frame = frame.f_back
    return frame is not None


class _NotKept(RuntimeError):
    """A backward asks for what was not kept."""


def _kept(saved: Tensor | None) -> Tensor:
    if saved is None:
        raise _NotKept("gradscope: this forward is watched without keeping what it saves")
    return saved


class _Ops(TorchDispatchMode):
    """Notes the matrix products."""

    def __init__(self, running: list[Called]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self._running = running

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = PRODUCTS.get(func)
        if name is not None:
            is_kept = not is_random(func, args, kwargs or {})
            for called in self._running:
                called.products[name] = called.products.get(name, True) and is_kept
        return func(*args, **kwargs) if kwargs else func(*args)


def _nodes(value: Any) -> tuple[Node, ...]:
    """The nodes that made the tensors in a value."""
    return tuple(each.grad_fn for each in tensors_of(value) if each.grad_fn is not None)


def tensors_of(value: Any) -> Iterator[Tensor]:
    """The tensors in a value, containers in containers included."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_of(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_of(each)


class _Buffers:
    """The buffers of the roots as they are now."""

    def __init__(self, work: Work) -> None:
        self._then = [
            (module, name, buffer, buffer._version, None if is_fake(buffer) else buffer.detach().clone())
            for root in work.roots
            for module in root.modules()
            for name, buffer in _buffers_of(module)
        ]

    def changed(self) -> set[tuple[int, str]]:
        """(id of the module, name in it) of those that are different now, or that are others."""
        return {
            (id(module), name)
            for module, name, buffer, version, value in self._then
            if module._buffers.get(name) is not buffer
            or (value is None and (buffer._version != version or _is_statistic(module)))
            or (value is not None and not torch.equal(value, buffer))
        }


def _buffers_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The buffers directly in a module; a ScriptModule keeps its own to itself."""
    if isinstance(module, torch.jit.ScriptModule):
        return []
    return [(name, buffer) for name, buffer in module._buffers.items() if buffer is not None]


def _is_statistic(module: nn.Module) -> bool:
    """Whether the buffers are statistics that a forward keeps up; its op does not tell of the change."""
    return isinstance(module, _NormBase) and module.training and module.track_running_stats
