"""torchviz's own picture of a graph, drawn by torchviz from the facts of the graph.

torchviz walks live nodes. It is handed stand-ins that have what it asks a node for, so that its picture is
that of `torchviz.make_dot(loss, params)` on the live graph, with plain numbers for the ids of objects.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import torch
from torch import Tensor

from gradscope.errors import PictureError
from gradscope.facts.graph import AutogradGraph, GraphNode, NodeKind
from gradscope.reporters.dot_program import laid_out
from gradscope.reporters.pictures import Part

_FUNCTIONS = (NodeKind.CUSTOM, NodeKind.CHECKPOINT, NodeKind.COMPILED)
_IDS = re.compile(r"\A\t(?P<tail>\d+)(?: -> (?P<head>\d+))?")
_MOST_NODES = 10_000


class _Node:
    """What torchviz asks a node for; its type bears the node's name."""

    def __init__(self) -> None:
        self.next_functions: tuple[tuple[_Node | None, int], ...] = ()


class _Output:
    """What torchviz asks an output tensor for."""

    def __init__(self, shape: tuple[int, ...], grad_fn: _Node) -> None:
        self._shape = shape
        self.grad_fn = grad_fn

    def size(self) -> tuple[int, ...]:
        return self._shape

    def _is_view(self) -> bool:
        return False


def torchviz_picture(graph: AutogradGraph, format_name: str) -> tuple[Part, ...]:
    """The picture in one of the formats "dot", "svg", "png" and "pdf".

    Raises PictureError where the graph is too deep or too large for torchviz, and where `dot` cannot draw it.
    """
    text = torchviz_source(graph)
    if format_name == "dot":
        return (Part(text.encode()),)
    return (Part(laid_out(text, format_name, f"{len(graph.nodes):,} nodes")),)


def torchviz_source(graph: AutogradGraph) -> str:
    """torchviz's DOT text. An output that is a view is drawn as an output alone, without its base."""
    if len(graph.nodes) > _MOST_NODES:
        raise _too_large(graph)
    params: dict[str, Tensor] = {}
    nodes: list[_Node] = []
    for node in graph.nodes:
        nodes.append(_stand_in(node, nodes, params))
    outputs = tuple(
        _Output(_shape(graph.nodes[index], number), nodes[index]) for index, number in graph.roots
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchviz compares versions by distutils
        from torchviz import make_dot  # type: ignore[import-untyped]  # it brings no types

        try:
            drawn = make_dot(outputs if len(outputs) > 1 else outputs[0], params=params)
        except RecursionError:
            raise _too_large(graph) from None
    numbers: dict[str, int] = {}
    drawn.body[:] = [_IDS.sub(lambda found: _numbered(found, numbers), line) for line in drawn.body]
    text: str = drawn.source
    return text


def _stand_in(node: GraphNode, made: list[_Node], params: dict[str, Tensor]) -> _Node:
    stand_in: Any = type(node.name, (_Node,), {})()
    stand_in.next_functions = tuple(
        (None, 0) if edge is None else (made[edge[0]], edge[1]) for edge in node.next
    )
    if node.kind is NodeKind.LEAF:
        stand_in.variable = torch.empty(_shape(node, 0), device="meta")
        if node.is_parameter and node.leaf is not None:
            params[node.leaf] = stand_in.variable
    elif node.kind in _FUNCTIONS:
        stand_in.saved_tensors = [torch.empty(saved.shape, device="meta") for saved in node.saved]
    return stand_in  # type: ignore[no-any-return]


def _shape(node: GraphNode, number: int) -> tuple[int, ...]:
    return tuple(max(size, 0) for size in node.shapes[number]) if number < len(node.shapes) else ()


def _numbered(found: re.Match[str], numbers: dict[str, int]) -> str:
    tail, head = (
        None if each is None else numbers.setdefault(each, len(numbers))
        for each in found.group("tail", "head")
    )
    return f"\t{tail}" if head is None else f"\t{tail} -> {head}"


def _too_large(graph: AutogradGraph) -> PictureError:
    return PictureError(
        f"torchviz walks a graph by recursion, and {len(graph.nodes):,} nodes are too many for it",
        try_next=("leave out --style torchviz", "--output graph.html"),
    )
