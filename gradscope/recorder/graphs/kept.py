"""What a node keeps for its backward: every saved tensor, with the memory behind it counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from gradscope.facts.graph import SavedTensor
from gradscope.recorder.stats import dtype_name

_RAW = "_raw_saved_"
_PLACEHOLDER = "torch.utils.checkpoint"


class Kept:
    """Reads the saved tensors of the nodes of one type. Nothing is unpacked, so that no hook runs."""

    def __init__(self, kind: type) -> None:
        self._names = [name for name in dir(kind) if name.startswith(_RAW)]

    def of(
        self, node: Any, counted: set[int], is_shared: Callable[[int], bool] | None
    ) -> tuple[SavedTensor, ...]:
        """The saved tensors of a node. `counted` are the addresses of the memory counted so far."""
        if not self._names:
            return ()
        return tuple([_fact(*each, counted, is_shared) for each in self._raw(node)])

    def _raw(self, node: Any) -> Iterator[tuple[str, Any]]:
        for name in self._names:
            try:
                raw = getattr(node, name)
            except RuntimeError:
                continue  # freed by an earlier backward
            short = name.removeprefix(_RAW)
            if isinstance(raw, (tuple, list)):
                for position, one in enumerate(raw):
                    yield f"{short}[{position}]", one
            elif raw is not None:
                yield short, raw


def _fact(name: str, raw: Any, counted: set[int], is_shared: Callable[[int], bool] | None) -> SavedTensor:
    data = getattr(raw, "data", None)
    if not isinstance(data, Tensor):
        recomputed = type(data).__module__ == _PLACEHOLDER
        return SavedTensor(name, (), "", 0, packed=not recomputed and data is not None, recomputed=recomputed)
    shape, dtype = tuple([int(size) for size in data.shape]), dtype_name(data.dtype)
    try:
        storage = data.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # sparse, a wrapper: no memory of its own
        return SavedTensor(name, shape, dtype, data.numel() * data.dtype.itemsize)
    shared = address in counted or (is_shared is not None and is_shared(address))
    counted.add(address)
    return SavedTensor(name, shape, dtype, size, shared)
