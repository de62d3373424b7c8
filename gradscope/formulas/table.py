"""All that is known of nodes, by name: torch's formulas, plain mathematics, and why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from gradscope.facts.formulas import NodeFormula
from gradscope.formulas.by_hand import REASONS, SOURCES, reason_of
from gradscope.formulas.cache import kept
from gradscope.formulas.derivatives import Derivatives, read_derivatives
from gradscope.formulas.installed import FormulasMissing, installed
from gradscope.formulas.math import PLAIN_MATH
from gradscope.formulas.names import label

_GENERATED = re.compile(r"\w+Backward\w*\d\w*\Z")


@dataclass(frozen=True, slots=True)
class Table:
    """The version of torch, every node by its name in alphabetical order, and the ops that leave none."""

    torch: str
    nodes: Mapping[str, NodeFormula]
    composed: tuple[str, ...]
    without: tuple[str, ...]


def table() -> Table:
    """The formulas of the installed torch: about two seconds where they were not read before, else none.

    Raises FormulasMissing where there is no torch, or its formulas cannot be read.
    """
    found = _read()
    if isinstance(found, FormulasMissing):
        raise found.with_traceback(None)
    return found


@cache
def _read() -> Table | FormulasMissing:
    """Tried once in a process: a graph has many nodes to ask for."""
    try:
        source = installed()
        read = kept(source.torch, source.fingerprint(), lambda: read_derivatives(source))
    except FormulasMissing as missing:
        return missing
    return Table(source.torch, _nodes(read), read.composed, read.without)


def _nodes(read: Derivatives) -> dict[str, NodeFormula]:
    known = {each.node: each for each in read.nodes}
    for name in (*REASONS, *SOURCES):
        known.setdefault(name, NodeFormula(name, reason=reason_of(name)))
    found = (replace(each, math=PLAIN_MATH.get(each.node)) for each in known.values())
    return {each.node: each for each in sorted(found, key=lambda each: each.node)}


def formula_of(name: str) -> NodeFormula | None:
    """What is known of a node by the name that torch gives it, with `torch::autograd::` before it or not.

    None for a node that torch does not know: a program's own Function. Where torch's formulas cannot be
    read, the node of an op has that as its `reason`.
    """
    node = label(name)
    try:
        found = table().nodes.get(node)
    except FormulasMissing as missing:
        found = NodeFormula(node, reason=missing.what) if _GENERATED.match(node) else None
    if found is None and (reason := reason_of(node)):
        return NodeFormula(node, reason=reason, math=PLAIN_MATH.get(node))
    return found
