"""Memory that NumPy (or a raw storage) can write without torch noticing.

Only tensors whose memory was handed out are watched: when an op that makes nodes takes one in, its bytes
are summed up; at the following ops and at the backward they are summed again. A change lies between the
last op that found it intact and the first that did not; the line is inferred from the source in between.
"""

from __future__ import annotations

import weakref
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import SilentMutation
from gradscope.finding import Location
from gradscope.recorder.inplace import storage_of
from gradscope.recorder.places import Loc
from gradscope.recorder.values import is_plain, version

_MOST_EXPOSED = 4096
_MOST_WATCHED = 512
_RECHECKED_EACH_OP = 4
_MOST_BYTES = 1 << 24
_RECHECKED_BYTES = 1 << 16


@dataclass(slots=True, eq=False)
class Watched:
    """A tensor that an op has used, with the checksum of its bytes at that time."""

    tensor: weakref.ref[Tensor]
    checksum: int
    version: int
    used: Loc
    intact: Loc
    size_bytes: int
    array_first: bool


@dataclass(frozen=True, slots=True)
class _Exposed:
    """The array over a tensor's memory. `array_first`: the tensor was made over it (`torch.from_numpy`)."""

    array: weakref.ref[Any]
    array_first: bool


@dataclass(slots=True, eq=False)
class _Found:
    """Writes between two ops: where the memory was used before, how often, and who had it first."""

    used: Loc
    array_first: bool
    count: int = 0


class MemoryAliases:
    """Watches exposed memory for writes that no version counter shows."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None  # called when `active` changes
        self._exposed: OrderedDict[int, _Exposed] = OrderedDict()  # by storage
        self._watched: deque[Watched] = deque(maxlen=_MOST_WATCHED)
        self._found: dict[tuple[Loc, Loc], _Found] = {}
        self._keep: OrderedDict[int, Tensor] = OrderedDict()

    @property
    def active(self) -> bool:
        """Whether memory that was handed out is still in other hands."""
        return bool(self._exposed)

    def exposed(self, tensor: Tensor, array: Any) -> None:
        """`array` shows `tensor`'s memory; whoever holds it, or a view of it, can write there."""
        if not is_plain(tensor) or tensor.device.type != "cpu" or tensor.layout is not torch.strided:
            return
        if not type(array).__weakrefoffset__:
            return  # a number or a list: it was copied
        while isinstance(getattr(array, "base", None), type(array)):
            array = array.base
        was_active = self.active
        array_first = not isinstance(getattr(array, "base", None), Tensor)
        self._exposed[storage_of(tensor)] = _Exposed(weakref.ref(array), array_first)
        if not was_active:
            self.changed()
        if len(self._exposed) > _MOST_EXPOSED:
            self._exposed.popitem(last=False)

    def tick(self) -> None:
        """Forgets memory that nobody else holds any more."""
        was_active = self.active
        for storage in [storage for storage, one in self._exposed.items() if one.array() is None]:
            del self._exposed[storage]
        if was_active and not self.active:
            self.changed()

    def _exposure(self, tensor: Tensor) -> _Exposed | None:
        known = self._exposed.get(storage_of(tensor))
        return known if known is not None and known.array() is not None else None

    def used(self, inputs: list[Tensor], loc: Loc, made_nodes: bool) -> None:
        """An op ran on `inputs`: check what is watched, and watch the exposed among them."""
        for watched in list(self._watched)[-_RECHECKED_EACH_OP:]:
            if watched.size_bytes <= _RECHECKED_BYTES:
                self._check(watched, loc)
        if not made_nodes:
            return
        for tensor in inputs:
            if (
                is_plain(tensor)
                and tensor.device.type == "cpu"
                and tensor.layout is torch.strided
                and tensor.numel() * tensor.element_size() <= _MOST_BYTES
                and (exposure := self._exposure(tensor)) is not None
                and not any(w.tensor() is tensor for w in self._watched)
            ):
                reference = weakref.ref(tensor)
                self._watched.append(
                    Watched(
                        reference,
                        _checksum(tensor),
                        version(tensor),
                        loc,
                        loc,
                        tensor.numel() * tensor.element_size(),
                        exposure.array_first,
                    )
                )
                self._keep[id(tensor)] = tensor
                if len(self._keep) > _MOST_WATCHED:
                    self._keep.popitem(last=False)

    def before_backward(self, backward: Loc) -> None:
        """The last look: whatever changed by now makes this backward wrong."""
        for watched in list(self._watched):
            self._check(watched, backward)

    def after_backward(self) -> None:
        """The graph is gone, and what it saved with it."""
        self._watched.clear()
        self._keep.clear()

    def _check(self, watched: Watched, loc: Loc) -> None:
        tensor = watched.tensor()
        if tensor is None or version(tensor) != watched.version:
            self._watched.remove(watched)
        elif _checksum(tensor) != watched.checksum:
            self._watched.remove(watched)
            found = _Found(watched.used, watched.array_first)
            self._found.setdefault((watched.intact, loc), found).count += 1
        else:
            watched.intact = loc

    def mutations(self, writing_line: Any) -> tuple[SilentMutation, ...]:
        """The silent writes found; `writing_line(after, before)` infers the line from the source."""
        facts: dict[Location | None, SilentMutation] = {}
        for (after, before), found in self._found.items():
            location: Location | None = writing_line(after, before) or before.location()
            known = facts.get(location)
            facts[location] = SilentMutation(
                "numpy",
                "write through NumPy",
                location,
                "",
                found.used.location(),
                None,
                exact=False,
                after=after.location(),
                before=before.location(),
                count=found.count + (known.count if known else 0),
                array_first=found.array_first,
            )
        return tuple(facts.values())


def _checksum(tensor: Tensor) -> int:
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.numel() and flat.stride(0) != 1:
        # One element with a stride of its own counts as contiguous, keeps it, and has no byte view.
        flat = flat.clone(memory_format=torch.contiguous_format)
    return zlib.crc32(flat.view(torch.uint8).numpy().data)
