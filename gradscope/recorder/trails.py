"""Which living tensors are not finite, and where that came from. Tensors are not kept alive."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from gradscope.folds.provenance import Trail
from gradscope.recorder.inplace import storage_of
from gradscope.recorder.values import version

_LIMIT = 2048
_storage_ref: Any = StorageWeakRef  # torch leaves its methods untyped


class TensorTrails:
    """The trails of non-finite tensors, by tensor and by storage.

    A view finds the trail of its base by the storage. An entry holds for the version it was made for: after
    an in-place change that nobody told of, it does not count any more.
    """

    def __init__(self) -> None:
        self._tensors: dict[int, tuple[weakref.ref[Tensor], int, Trail]] = {}
        self._storages: dict[int, tuple[Any, int, Trail]] = {}

    def __len__(self) -> int:
        return len(self._tensors) + len(self._storages)

    def get(self, tensor: Tensor) -> Trail | None:
        """The trail of a tensor, or of the storage it views."""
        entry = self._tensors.get(id(tensor))
        if entry is not None and entry[0]() is tensor and entry[1] == version(tensor):
            return entry[2]
        if not self._storages:
            return None
        shared = self._storages.get(storage_of(tensor))
        if shared is not None and shared[1] == version(tensor) and not shared[0].expired():
            return shared[2]
        return None

    def before_writing(self, tensor: Tensor) -> Trail | None:
        """The trail of a tensor that was just written in place: what it held until then."""
        entry = self._tensors.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[2]
        shared = self._storages.get(storage_of(tensor)) if self._storages else None
        return shared[2] if shared is not None and not shared[0].expired() else None

    def set(self, tensor: Tensor, trail: Trail) -> None:
        """Gives a tensor its trail."""
        if len(self) >= 2 * _LIMIT:
            self._sweep()
        now = version(tensor)
        self._tensors[id(tensor)] = (weakref.ref(tensor), now, trail)
        key = storage_of(tensor)
        if key:
            self._storages[key] = (_storage_ref(tensor.untyped_storage()), now, trail)

    def finite(self, tensor: Tensor) -> None:
        """Takes the trail from a tensor that is finite (again).

        Where it is only a part of its storage, the rest keeps its trail, whatever was written here.
        """
        if self._tensors:
            self._tensors.pop(id(tensor), None)
        if self._storages:
            key = storage_of(tensor)
            shared = self._storages.get(key)
            if shared is not None and tensor.nbytes < tensor.untyped_storage().nbytes():
                self._storages[key] = (shared[0], version(tensor), shared[2])
            elif shared is not None:
                del self._storages[key]

    def _sweep(self) -> None:
        self._tensors = {key: entry for key, entry in self._tensors.items() if entry[0]() is not None}
        self._storages = {key: entry for key, entry in self._storages.items() if not entry[0].expired()}
        for key in list(self._tensors)[: max(0, len(self._tensors) - _LIMIT)]:
            del self._tensors[key]
        for key in list(self._storages)[: max(0, len(self._storages) - _LIMIT)]:
            del self._storages[key]
