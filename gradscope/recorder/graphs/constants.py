"""Tensors that ops took in without a gradient: data, targets, frozen parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from gradscope.facts.graph import Constant
from gradscope.recorder.names import variable_name
from gradscope.recorder.stats import dtype_name
from gradscope.recorder.values import grad_fn, requires_grad

_MOST_OPS = 20_000
_MOST_NAMES = 500


class _Known(NamedTuple):
    tensor: weakref.ref[Tensor]
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    is_parameter: bool


class Constants:
    """Remembers, for the ops since the last backward, which of their inputs need no gradient."""

    def __init__(self) -> None:
        self._inputs: dict[int, tuple[int, ...]] = {}  # sequence number -> ids
        self._known: dict[int, _Known] = {}
        self.left_out = 0

    def made(self, inputs: list[Tensor], output: Any) -> None:
        """An op returned."""
        first = output if isinstance(output, Tensor) else next(iter(_tensors(output)), None)
        node = grad_fn(first) if first is not None else None
        if node is None:
            return
        if len(self._inputs) >= _MOST_OPS:
            self.left_out += 1
            return
        constant = tuple(self._noted(t) for t in inputs if not requires_grad(t))
        if constant:
            self._inputs[node._sequence_nr()] = constant

    def _noted(self, tensor: Tensor) -> int:
        key = id(tensor)
        known = self._known.get(key)
        if known is None or known.tensor() is not tensor:
            named = len(self._known) < _MOST_NAMES
            self._known[key] = _Known(
                weakref.ref(tensor),
                variable_name(tensor) if named else None,
                tuple(tensor.shape),
                dtype_name(tensor.dtype),
                isinstance(tensor, nn.Parameter),
            )
        return key

    def forget(self) -> None:
        """A backward is over: what came before it belongs to no later graph that is asked for."""
        self._inputs.clear()
        self._known.clear()

    def facts(
        self, node_of: Mapping[int, int], parameter_name: Callable[[int], str | None]
    ) -> tuple[Constant, ...]:
        """The constants of a graph. `node_of` gives its nodes by sequence number."""
        found = []
        for number, keys in self._inputs.items():
            node = node_of.get(number)
            if node is None:
                continue
            for key in keys:
                known = self._known[key]
                name = parameter_name(key) or known.name
                found.append(Constant(node, name, known.shape, known.dtype, known.is_parameter))
        return tuple(found)


def _tensors(output: Any) -> list[Tensor]:
    return [one for one in output if isinstance(one, Tensor)] if isinstance(output, (tuple, list)) else []
