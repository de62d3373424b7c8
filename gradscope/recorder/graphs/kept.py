"""What a node keeps for its backward: every saved tensor, with the memory behind it counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

from torch import Tensor

from gradscope.facts.graph import SavedTensor
from gradscope.recorder.stats import dtype_name

_RAW = "_raw_saved_"
_PLACEHOLDER = "torch.utils.checkpoint"
_INTS: Final = frozenset([int])  # a size may also be a symbol

# attribute and name of what the nodes of a type save: torch's types are the same for the whole run
_names: WeakKeyDictionary[type, list[tuple[str, str]]] = WeakKeyDictionary()


class Kept:
    """Reads the saved tensors of the nodes of one type. Nothing is unpacked, so that no hook runs."""

    def __init__(self, kind: type) -> None:
        names = _names.get(kind)
        if names is None:
            names = [(each, each.removeprefix(_RAW)) for each in dir(kind) if each.startswith(_RAW)]
            _names[kind] = names
        self._names = names

    def __bool__(self) -> bool:
        return bool(self._names)

    def of(
        self, node: Any, counted: set[int], is_shared: Callable[[int], bool] | None
    ) -> tuple[SavedTensor, ...]:
        """The saved tensors of a node. `counted` are the addresses of the memory counted so far."""
        return tuple([_fact(name, raw, counted, is_shared) for name, raw in self.raw(node)])

    def raw(self, node: Any) -> Iterator[tuple[str, Any]]:
        """What a node has saved, by name, as torch's own `SavedTensor`; nothing of a freed node."""
        for attribute, name in self._names:
            try:
                raw = getattr(node, attribute)
            except RuntimeError:
                continue  # freed by an earlier backward
            if isinstance(raw, (tuple, list)):
                for position, one in enumerate(raw):
                    yield f"{name}[{position}]", one
            elif raw is not None:
                yield name, raw


def _fact(name: str, raw: Any, counted: set[int], is_shared: Callable[[int], bool] | None) -> SavedTensor:
    data = getattr(raw, "data", None)
    if not isinstance(data, Tensor):
        recomputed = type(data).__module__ == _PLACEHOLDER
        return SavedTensor(name, (), "", 0, packed=not recomputed and data is not None, recomputed=recomputed)
    shape, dtype = tuple(data.shape), dtype_name(data.dtype)
    if not _INTS.issuperset(map(type, shape)):
        shape = tuple([int(size) for size in shape])
    try:
        storage = data.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # sparse, a wrapper: no memory of its own
        return SavedTensor(name, shape, dtype, data.numel() * data.dtype.itemsize)
    shared = address in counted or (is_shared is not None and is_shared(address))
    counted.add(address)
    return SavedTensor(name, shape, dtype, size, shared)
