"""Tensors that ops took in without a gradient: data, targets, frozen parameters."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from gradscope.facts.graph import Constant
from gradscope.recorder.modules import Modules
from gradscope.recorder.names import variable_name
from gradscope.recorder.now import NO_ROOT
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
    maker: tuple[str, int] | None


class Constants:
    """Remembers, for the ops since the last backward, which of their inputs need no gradient."""

    def __init__(self) -> None:
        self._inputs: dict[int, tuple[int, ...]] = {}  # sequence number -> ids
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
        constant = tuple(self._noted(t, module) for t in inputs if not requires_grad(t))
        if constant:
            self._inputs[node._sequence_nr()] = constant

    def _noted(self, tensor: Tensor, module: str | None) -> int:
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
                self._maker(tensor, module),
            )
        return key

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

    def facts(self, node_of: Mapping[int, int], modules: Modules) -> tuple[Constant, ...]:
        """The constants of a graph. `node_of` gives its nodes by sequence number."""
        found = []
        for number, keys in self._inputs.items():
            node = node_of.get(number)
            if node is None:
                continue
            for key in keys:
                known = self._known[key]
                name = modules.parameter_name(key) or known.name
                frozen = known.is_parameter
                if known.maker is not None and modules.is_frozen(*known.maker):
                    frozen, name = True, name or known.maker[0]
                found.append(Constant(node, name, known.shape, known.dtype, frozen))
        return tuple(found)


def _tensors(output: Any) -> list[Tensor]:
    return [one for one in output if isinstance(one, Tensor)] if isinstance(output, (tuple, list)) else []
