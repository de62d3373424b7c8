"""Tensors that ops took in without a gradient: data, targets, frozen parameters."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from gradscope.facts.graph import UNKNOWN, Constant
from gradscope.recorder.modules import Modules
from gradscope.recorder.names import variable_name
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.now import NO_ROOT
from gradscope.recorder.saved import saved_tensors
from gradscope.recorder.stats import dtype_name
from gradscope.recorder.values import grad_fn, requires_grad

_MOST_OPS = 20_000
_MOST_NAMES = 500


class _Known(NamedTuple):
    identity: int
    tensor: weakref.ref[Tensor]
    memory: int
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    is_parameter: bool
    maker: tuple[str, int] | None


class Constants:
    """Remembers, for the ops since the last backward, which of their inputs need no gradient."""

    def __init__(self) -> None:
        self._inputs: dict[int, tuple[int, tuple[_Known, ...]]] = {}  # by the last sequence number of an op
        self._latest = UNKNOWN
        self._known: dict[int, _Known] = {}
        self._makers: dict[int, tuple[weakref.ref[Tensor], str, int]] = {}
        self.left_out = 0

    def made(self, inputs: list[Tensor], output: Any, module: str | None, root: int) -> None:
        """An op returned, which ran in the module of that path below that root."""
        first = output if isinstance(output, Tensor) else next(iter(_tensors(output)), None)
        node = grad_fn(first) if first is not None else None
        if node is None:
            if module and first is not None and len(self._makers) < _MOST_OPS:
                self._makers[id(first)] = (weakref.ref(first), module, root)
            return
        if len(self._inputs) >= _MOST_OPS:
            self.left_out += 1
            return
        number = node._sequence_nr()
        known = tuple(self._noted(t, module) for t in inputs if not requires_grad(t))
        if known:
            self._inputs[number] = (self._latest, known)
        self._latest = number

    def _noted(self, tensor: Tensor, module: str | None) -> _Known:
        known = self._known.get(id(tensor))
        if known is None or known.tensor() is not tensor:
            named = len(self._known) < _MOST_NAMES
            known = self._known[id(tensor)] = _Known(
                id(tensor),
                weakref.ref(tensor),
                _memory(tensor),
                variable_name(tensor) if named else None,
                tuple(tensor.shape),
                dtype_name(tensor.dtype),
                isinstance(tensor, nn.Parameter),
                self._maker(tensor, module),
            )
        return known

    def _maker(self, tensor: Tensor, module: str | None) -> tuple[str, int] | None:
        """The outermost module that gave a tensor and that the module which takes it in is no part of."""
        reference, path, root = self._makers.get(id(tensor), (None, "", NO_ROOT))
        if reference is None or reference() is not tensor:
            return None
        makers, takers = path.split("."), (module or "").split(".")
        shared = next(
            (n for n, (one, other) in enumerate(zip(makers, takers, strict=False)) if one != other), None
        )
        return None if shared is None else (".".join(makers[: shared + 1]), root)

    def forget(self) -> None:
        """A backward is over: what came before it belongs to no later graph that is asked for."""
        self._inputs.clear()
        self._known.clear()
        self._makers.clear()
        self._latest = UNKNOWN

    def facts(self, nodes: Sequence[Any], modules: Modules) -> tuple[Constant, ...]:
        """The constants of a graph, whose nodes are live and stand in forward order.

        An op that is made of several leaves several nodes. A constant belongs to the one that has saved it,
        and where none has, to the last.
        """
        numbers = [node._sequence_nr() if type(node) is not AccumulateGrad else UNKNOWN for node in nodes]
        indices = {number: index for index, number in enumerate(numbers) if number != UNKNOWN}
        found = []
        for number, (before, constants) in self._inputs.items():
            last = indices.get(number)
            if last is None:
                continue
            first = last
            while first > 0 and (numbers[first - 1] == UNKNOWN or before < numbers[first - 1] < number):
                first -= 1
            savers = _savers(nodes, first, last) if first < last else {}
            for known in constants:
                name = modules.parameter_name(known.identity) or known.name
                frozen = known.is_parameter
                if known.maker is not None and modules.is_frozen(*known.maker):
                    frozen, name = True, name or known.maker[0]
                node = savers.get(known.memory, last)
                found.append(Constant(node, name, known.shape, known.dtype, frozen))
        return tuple(found)


def _savers(nodes: Sequence[Any], first: int, last: int) -> dict[int, int]:
    """The first node to have saved a memory, by its address."""
    found: dict[int, int] = {}
    for index in range(first, last + 1):
        for _, tensor in saved_tensors(nodes[index]):
            found.setdefault(_memory(tensor), index)
    return found


def _memory(tensor: Tensor) -> int:
    """Where the elements begin; 0 for a tensor that has no memory of its own, and then it is nobody's."""
    try:
        return tensor.data_ptr()
    except RuntimeError:
        return 0


def _tensors(output: Any) -> list[Tensor]:
    return [one for one in output if isinstance(one, Tensor)] if isinstance(output, (tuple, list)) else []
