"""What one graph keeps for its backward: its nodes, and which storages they hold. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from gradscope.finding import Location

Edge: TypeAlias = tuple[int, int] | None
"""(index of the next node, output_nr); None for an input that needs no gradient."""

NO_PLACE: Final = -1


class KeptTensor(msgspec.Struct, frozen=True, gc=False):
    """A tensor that a node saves. `storages` are the numbers, in the log, of the memory behind it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    storages: tuple[int, ...]


class KeptNode(msgspec.Struct, frozen=True, gc=False):
    """A node. `next` has one edge for each input of the forward op; `shape` and `dtype` are of its first
    output, those of a leaf its own.

    `place` is an index into the table of places. `scalars` are the numbers that the op was given and saved
    ("exponent": 2.0, "other": 0.5), as far as they tell one computation from another; `samples` are the
    first elements of what it has saved, by name.
    """

    op: str
    next: tuple[Edge, ...]
    saved: tuple[KeptTensor, ...] = ()
    place: int = NO_PLACE
    shape: tuple[int, ...] = ()
    dtype: str = ""
    scalars: Mapping[str, float] = {}
    samples: Mapping[str, tuple[float, ...]] = {}


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """Where nodes were made. `module` is "model.h.0.attn", None outside every module."""

    location: Location | None
    module: str | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class KeptGraph:
    """The graph of one backward. What a node leads to stands before it."""

    nodes: tuple[KeptNode, ...]
    places: tuple[KeptPlace, ...] = ()
    device: str = "cpu"
    users: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By node: the nodes that use one of its outputs, once for every use."""

    def place(self, node: KeptNode) -> KeptPlace | None:
        """Where a node was made, None where that is not known."""
        return self.places[node.place] if node.place != NO_PLACE else None


def users_of(nodes: tuple[KeptNode, ...]) -> dict[int, tuple[int, ...]]:
    """The nodes that use each node."""
    users: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        for edge in node.next:
            if edge is not None:
                users.setdefault(edge[0], []).append(index)
    return {index: tuple(each) for index, each in users.items()}
