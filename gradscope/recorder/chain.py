"""The chain rule at work in small graphs: what every node got, its local derivative, what it gave.

A graph is small with at most forty nodes of at most sixty-four elements. Where modules took part, it must
be all scalars. One table is kept for each backward line and shape of graph.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradscope.facts import ChainTable
from gradscope.folds.chain_rule import Chain, Expression, chain_table
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.places import Loc
from gradscope.recorder.small_graph import MOST_ELEMENTS, is_small, measure, take_down
from gradscope.recorder.stats import why_unreadable

_MOST_NODES = 40
_MOST_TABLES = 8
_VALUES_PER_BACKWARD = 500
_MOST_VALUES = 4096
_MOST_DECLINED = 256
_FRUITLESS_BACKWARDS = 200

Key: TypeAlias = tuple[Loc | None, tuple[str, ...]]


class ChainWatch:
    """Collects the chain-rule tables of a program's small graphs.

    `value` is to be called for the outputs of ops while `recording_values`. `failures` counts what was given
    up because of a fault of our own, `faults` says what.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.faults: Counter[str] = Counter()
        self._values: dict[int, float] = {}
        self._since_backward = 0
        self._fruitless = 0
        self._thread = threading.get_ident()
        self._chains: dict[Key, Chain] = {}
        self._declined: set[Key] = set()
        self._running: list[_Running | None] = []

    @property
    def values(self) -> Mapping[int, float]:
        """The forward values kept so far, by the sequence number of the node that made them."""
        return self._values

    @property
    def recording_values(self) -> bool:
        """Whether forward values are still of use: the graph may be small, and tables are missing."""
        return (
            self._since_backward < _VALUES_PER_BACKWARD
            and len(self._chains) < _MOST_TABLES
            and self._fruitless < _FRUITLESS_BACKWARDS
        )

    def value(self, sequence_nr: int, tensor: Tensor) -> None:
        """Keeps the value of a scalar, or the 2-norm of a small tensor, for the node that made it."""
        self._since_backward += 1
        if tensor.numel() > MOST_ELEMENTS or threading.get_ident() != self._thread:
            return  # sequence numbers belong to a thread
        try:
            if not why_unreadable([tensor]):
                self._values[sequence_nr] = measure(tensor)
        except Exception as error:  # noqa: BLE001  must not reach the program
            self._failed(error)
        if len(self._values) > _MOST_VALUES:
            for old in list(self._values)[: _MOST_VALUES // 2]:
                del self._values[old]

    def before(
        self,
        nodes: Sequence[Any],
        roots: Sequence[Any],
        grad_tensors: Sequence[Tensor | None],
        backward: Loc | None,
    ) -> None:
        """Just before the engine runs: takes down a small graph and hooks its nodes."""
        self._since_backward = 0
        self._fruitless += 1
        self._running.append(None)
        try:
            if 0 < len(nodes) <= _MOST_NODES:
                with torch.no_grad(), torch._C.DisableTorchFunction():
                    self._begin(nodes, roots, grad_tensors, backward)
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            self._failed(error)

    def _begin(
        self,
        nodes: Sequence[Any],
        roots: Sequence[Any],
        grad_tensors: Sequence[Tensor | None],
        backward: Loc | None,
    ) -> None:
        key = (backward, tuple(node_label(node) for node in nodes))
        known = self._chains.get(key)
        if known is not None:
            known.times += 1
            return
        if (
            key in self._declined
            or len(self._chains) >= _MOST_TABLES
            or len(self._declined) >= _MOST_DECLINED
        ):
            return
        chain = None
        if all(isinstance(root, Tensor) for root in roots) and not why_unreadable(roots) and is_small(nodes):
            values = self._values if threading.get_ident() == self._thread else {}
            chain = take_down(nodes, roots, grad_tensors, backward, values)
        if chain is None or (any(map(_in_a_module, nodes)) and not all(node.scalar for node in chain.nodes)):
            self._declined.add(key)
            return
        self._fruitless = 0
        self._running[-1] = running = _Running(key, chain, self._failed)
        running.attach(nodes)

    def after(self) -> None:
        """After the engine ran, also when it raised: removes the hooks and keeps the table."""
        running = self._running.pop() if self._running else None
        if running is None:
            return
        running.detach()
        if running.chain.order:
            self._chains[running.key] = running.chain

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.faults[f"{type(error).__name__}: {error}"] += 1

    def facts(self, leaf_name: Callable[[int], str], expression_of: Expression) -> tuple[ChainTable, ...]:
        """The tables in the order of their first backward.

        `leaf_name` names a leaf by its id; `expression_of` gives the variable that the expression at a
        place is assigned to, and its source text.
        """
        return tuple(chain_table(chain, leaf_name, expression_of) for chain in self._chains.values())


class _Running:
    """One small graph while its backward runs."""

    def __init__(self, key: Key, chain: Chain, failed: Callable[[Exception], None]) -> None:
        self.key = key
        self.chain = chain
        self._failed = failed
        self._handles: list[Any] = []

    def attach(self, nodes: Sequence[Any]) -> None:
        for index, node in enumerate(nodes):
            self._handles.append(node.register_hook(_hook(self.chain, index, self._failed)))

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _in_a_module(node: Any) -> bool:
    place = place_of(node)
    return place is not None and place.module is not None


def _hook(chain: Chain, index: int, failed: Callable[[Exception], None]) -> Callable[..., None]:
    def hook(grad_inputs: tuple[Tensor | None, ...], grad_outputs: tuple[Tensor | None, ...]) -> None:
        try:
            node = chain.nodes[index]
            chain.order.append(index)
            got = [measure(g) for g in grad_outputs if g is not None]
            if got:
                node.incoming = got[0] if len(got) == 1 else sum(one * one for one in got) ** 0.5
            node.outgoing = tuple(None if g is None else measure(g) for g in grad_inputs)
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            failed(error)

    return hook
