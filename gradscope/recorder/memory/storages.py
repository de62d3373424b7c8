"""Every storage that an op allocates, noted when it comes and when it goes.

A storage lives as long as any tensor or graph node holds it, and takes a weak reference: its callback is
the moment of its death. What is counted is the bytes that tensors asked for. Not seen are the scratch
space within one op and what is allocated without an op (`from_numpy`, unpickling) until an op takes it in.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final
from weakref import ref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass

from gradscope.facts.memory import MemoryKind
from gradscope.folds.storages import NO_MAKER, StorageLog

_DYNAMO: Final = "torch._dynamo"


class _Seen(threading.local):
    """Whether what this thread allocates counts."""

    counts = True


_seen = _Seen()


@contextmanager
def not_counted() -> Iterator[None]:
    """Inside it what this thread allocates is not the program's: no log is told of it."""
    before, _seen.counts = _seen.counts, False
    try:
        yield
    finally:
        _seen.counts = before


class _Death(ref[torch.UntypedStorage]):
    """A weak reference to a storage that knows which one it was."""

    __slots__ = ("key", "number")

    key: int
    number: int


class LiveStorages(TorchDispatchMode):
    """Tells `log` of every storage while it is entered, and of deaths until it is closed.

    `maker` is asked, at every birth, for what made it; it is given the op, and a storage for which it says
    None is not counted. Works on every device, and on fake tensors where it is entered inside their mode.
    The ops of every thread that inherits the mode count, those of the engine's threads included. `unseen`
    counts tensors that would not tell their memory. Without `with_meta` tensors that have shapes but no
    memory (of the meta device, fake ones) do not count.
    """

    is_beside_dynamo = False

    def __init__(
        self,
        log: StorageLog,
        maker: Callable[[Any], int | None] | None = None,
        *,
        with_meta: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.log = log
        self._maker = maker
        self._alive: dict[int, _Death] = {}
        self._lock = threading.RLock()
        self._closed = False
        self.with_meta = with_meta
        self.is_told_of_compiling = False  # by a call of `compiles`; otherwise it has to expect it
        self.unseen = 0
        if _DYNAMO in sys.modules:
            self.compiles()

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """A program that compiles goes on compiling: what its kernels allocate inside is not seen."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Hiding from Dynamo would import it, which takes a second, and costs as much as an op each time."""
        return cls.__base__ is not TorchDispatchMode

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not self.is_told_of_compiling and _DYNAMO in sys.modules:
            self.compiles()
        return self._run(func, args, kwargs)

    def compiles(self) -> None:
        """The program may be about to run something that it has compiled."""
        kind = type(self)
        if not kind.is_beside_dynamo:
            self.__class__ = _beside_dynamo(kind)  # type: ignore[arg-type]  # mypy: a class is no Hashable

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any] | None) -> Any:
        output = func(*args, **kwargs) if kwargs else func(*args)
        if not _seen.counts:
            return output
        if isinstance(output, Tensor):
            self._saw(output, func)
        elif output is not None:
            for tensor in tensors_in(output):
                self._saw(tensor, func)
        return output

    def _saw(self, tensor: Tensor, func: Any) -> None:
        try:
            for storage in storages_of(tensor):
                key = storage._cdata
                if key not in self._alive:
                    size = self._size(storage)
                    if size:
                        maker = self._maker(func) if self._maker is not None else NO_MAKER
                        if maker is not None:
                            self._born(storage, key, size, maker, MemoryKind.OTHER)
        except (RuntimeError, NotImplementedError):  # it has no memory that can be asked for
            self.unseen += 1

    def hold(self, tensors: Iterable[Tensor], kind: MemoryKind) -> None:
        """Counts tensors that exist already, and says what they are for; known ones are only labelled."""
        for tensor in tensors:
            for storage in storages_of(tensor):
                known = self._alive.get(storage._cdata)
                if known is not None:
                    self.log.label(known.number, kind)
                elif size := self._size(storage):
                    self._born(storage, storage._cdata, size, NO_MAKER, kind)

    def numbers(self, tensor: Tensor) -> list[int]:
        """The numbers, in the log, of the storages behind a tensor: none where they are not known."""
        keys = (storage._cdata for storage in storages_of(tensor))
        return [self._alive[key].number for key in keys if key in self._alive]

    def counted(self, tensor: Tensor, kind: MemoryKind) -> list[int]:
        """The numbers of the storages behind a tensor; one that is not known is counted from now on."""
        found = []
        for storage in storages_of(tensor):
            key = storage._cdata
            if key not in self._alive and (size := self._size(storage)):
                self._born(storage, key, size, NO_MAKER, kind)
            if key in self._alive:
                found.append(self._alive[key].number)
        return found

    def close(self) -> None:
        """Ends the log: deaths from now on are not told."""
        with self._lock:
            self._closed = True
            self._alive.clear()

    def _size(self, storage: torch.UntypedStorage) -> int:
        return storage.nbytes() if self.with_meta or storage.device.type != "meta" else 0

    def _born(self, storage: torch.UntypedStorage, key: int, size: int, maker: int, kind: MemoryKind) -> None:
        with self._lock:
            if self._closed or key in self._alive:
                return
            death = _Death(storage, self._gone)
            death.key = key
            death.number = self.log.born(size, maker, kind)
            self._alive[key] = death

    def _gone(self, death: Any) -> None:
        with self._lock:
            if self._alive.pop(death.key, None) is not None:
                self.log.gone(death.number)


@cache
def _beside_dynamo(kind: type[LiveStorages]) -> type[LiveStorages]:
    """The same class where the program compiles: Dynamo must not look into it."""

    class BesideDynamo(kind):  # type: ignore[misc, valid-type]  # a base that is only known now
        is_beside_dynamo = True

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            return self._run(func, args, kwargs)

    return BesideDynamo


def storages_of(tensor: Tensor) -> Iterator[torch.UntypedStorage]:
    """The storages behind a tensor: one, or those of its parts where it is sparse or wraps others."""
    wrapper: Any = tensor
    if is_traceable_wrapper_subclass(wrapper):
        for name in wrapper.__tensor_flatten__()[0]:
            yield from storages_of(getattr(tensor, name))
        return
    if tensor.layout is torch.strided:
        while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            tensor = torch._C._functorch.get_unwrapped(tensor)
        yield tensor.untyped_storage()
        return
    with torch._C.DisableTorchFunction():
        match tensor.layout:
            case torch.sparse_coo:
                parts = [tensor._indices(), tensor._values()]
            case torch.sparse_csr | torch.sparse_bsr:
                parts = [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
            case torch.sparse_csc | torch.sparse_bsc:
                parts = [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
            case _:  # mkldnn: its memory is not torch's
                parts = []
    for part in parts:
        yield part.untyped_storage()


def tensors_in(output: Any) -> Iterator[Tensor]:
    """The tensors in what an op returned."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for each in output:
            yield from tensors_in(each)
