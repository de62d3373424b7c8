"""The graph of tensors as it stands: nothing runs, nothing is hooked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gradscope.facts.graph import AutogradGraph, GraphPlace
from gradscope.finding import Location
from gradscope.recorder.creation import place_of
from gradscope.recorder.graphs.nodes import root_nodes, structs, take_down
from gradscope.recorder.names import variable_name
from gradscope.recorder.places import is_library

_FRAME = re.compile(r'File "(?P<path>.+)", line (?P<line>\d+), in (?P<function>.+)')


def graph_of(roots: Sequence[Tensor], names: nn.Module | Mapping[str, Tensor] | None) -> AutogradGraph:
    """The graph of tensors that require grad.

    `names` gives leaves their names; others are called as the variables that hold them, or by their shape.
    """
    ends = root_nodes(roots)
    taken = take_down([node for node, _ in ends])
    known = _names(names)
    places: dict[GraphPlace, int] = {}
    more: list[dict[str, Any]] = [{}] * len(taken.nodes)
    for index, leaf in taken.leaves.items():
        called = known.get(id(leaf)) or variable_name(leaf) or f"tensor {tuple(leaf.shape)}"
        more[index] = {"leaf": called, "is_parameter": isinstance(leaf, nn.Parameter)}
    for index, node in enumerate(taken.nodes):
        place = _place(node) if node.metadata else None
        if place is not None:
            more[index] = {"place": places.setdefault(place, len(places))}
    return AutogradGraph(
        nodes=structs(taken.facts, more),
        places=tuple(places),
        definitions=tuple(taken.definitions),
        roots=tuple((taken.index[node], number) for node, number in ends),
        loss=float(roots[0].detach()) if len(roots) == 1 and _is_real_scalar(roots[0]) else None,
    )


def _is_real_scalar(tensor: Tensor) -> bool:
    return tensor.numel() == 1 and not tensor.is_complex() and not tensor.is_meta


def _names(names: nn.Module | Mapping[str, Tensor] | None) -> dict[int, str]:
    if names is None:
        return {}
    pairs = names.named_parameters() if isinstance(names, nn.Module) else names.items()
    return {id(tensor): name for name, tensor in pairs}


def _place(node: Any) -> GraphPlace | None:
    """The line of a node: as gradscope noted it, or from the traceback that anomaly mode has kept."""
    loc = place_of(node)
    if loc is not None:
        return GraphPlace(loc.location(), loc.module)
    kept = node.metadata.get("traceback_")
    if not isinstance(kept, list):
        return None
    for entry in reversed(kept):
        found = _FRAME.search(entry) if isinstance(entry, str) else None
        if found is not None and not is_library(found["path"]):
            return GraphPlace(Location(found["path"], int(found["line"]), function=found["function"].strip()))
    return None
