"""The graph of one chosen backward of a run, taken down while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradscope.facts.graph import AutogradGraph, GraphNode, GraphPlace
from gradscope.finding import Location
from gradscope.recorder.creation import parent_of, place_of, root_of
from gradscope.recorder.graphs.constants import Constants
from gradscope.recorder.graphs.nodes import Taken, root_nodes, structs, take_down
from gradscope.recorder.graphs.passing import Passing
from gradscope.recorder.modules import Modules
from gradscope.recorder.places import Loc
from gradscope.recorder.small_graph import measure

Expression: TypeAlias = Callable[[Loc], tuple[str | None, str | None]]
_MOST_SIGNED = 500
_ACCELERATOR = "backward times are those of launching the kernels, not of running them"


class GraphCapture:
    """Takes the graph of the backward pass `number` (from 1) down; its facts outlive the graph.

    `values` are the forward values of scalars by sequence number.
    """

    def __init__(self, number: int, modules: Modules, values: Mapping[int, float]) -> None:
        self.number = number
        self.constants = Constants()
        self._modules = modules
        self._values = values
        self._thread = 0
        self._passing: Passing | None = None
        self._graph: _Unnamed | None = None

    def made(self, inputs: list[Tensor], output: Any, loc: Loc) -> None:
        """An op returned, while the backward is still to come."""
        self.constants.made(inputs, output, loc.module, self._modules.running_root)

    @property
    def is_waiting(self) -> bool:
        """Whether the backward is still to come."""
        return self._graph is None

    def before(self, roots: Sequence[Any], backward: Loc, call: str, loss: float | None) -> None:
        """Just before the engine runs the chosen backward pass."""
        self._thread = threading.get_ident()
        ends = root_nodes(roots)
        taken = take_down([node for node, _ in ends])
        small = bool(taken.nodes) and len(taken.nodes) <= _MOST_SIGNED and all(map(_is_scalar, taken.facts))
        self._graph = _Unnamed(taken, self._modules, backward, call, loss, small)
        self._graph.roots = tuple((taken.index[node], number) for node, number in ends)
        self._graph.take_places(taken)
        self._graph.take_constants(taken, self.constants, self._modules)
        if small:
            self._graph.take_values(taken, self._values)
        self._passing = Passing(signed=small)
        self._passing.attach(taken.nodes)

    def after(self, inputs: Sequence[Any] = (), result: Any = None) -> None:
        """After the engine ran, also when it raised; nothing of the graph is held from here on.

        `inputs` and `result` are those of `autograd.grad`, which hands the gradients of leaves out itself.
        """
        if self._passing is not None and self._thread != threading.get_ident():
            return  # the end of another thread's backward
        passing, self._passing = self._passing, None
        if passing is None:
            if self.is_waiting:
                self.constants.forget()
            return
        passing.detach()
        assert self._graph is not None
        self._graph.take_gradients(passing, _handed_out(inputs, result))

    def fact(
        self,
        name_of: Callable[[int], str],
        expression_of: Expression,
        passes: Sequence[tuple[Location | None, int]],
    ) -> AutogradGraph | None:
        """The graph, None where the backward did not come. `passes` are the lines that ran backwards."""
        if self._graph is None:
            return None
        return self._graph.named(self.number, name_of, expression_of, passes)


def _is_scalar(fact: GraphNode) -> bool:
    return all(torch.Size(shape).numel() == 1 for shape in fact.shapes) and not any(
        dtype.startswith("complex") for dtype in fact.dtypes
    )


def _handed_out(inputs: Sequence[Any], result: Any) -> dict[int, Tensor]:
    pairs = zip(inputs, result or (), strict=False)
    return {id(leaf): given for leaf, given in pairs if isinstance(given, Tensor)}


class _Unnamed:
    """A graph whose leaves, modules and expressions get their names when the run is over."""

    def __init__(
        self, taken: Taken, modules: Modules, backward: Loc, call: str, loss: float | None, small: bool
    ) -> None:
        self._facts, self._definitions = taken.facts, tuple(taken.definitions)
        self._leaves = {index: id(leaf) for index, leaf in taken.leaves.items()}
        self._parameters = {
            index for index, leaf in taken.leaves.items() if isinstance(leaf, torch.nn.Parameter)
        }
        self._modules = modules
        self._backward, self._call, self._loss, self.small = backward, call, loss, small
        self.roots: tuple[tuple[int, int], ...] = ()
        self._places: dict[tuple[Loc, int], int] = {}
        self._more: list[dict[str, Any]] = [{} for _ in taken.nodes]
        self._constants: tuple[Any, ...] = ()
        self._notes: list[str] = []
        self._not_seen: list[str] = []

    def take_places(self, taken: Taken) -> None:
        """Which line made each node, in which root module, and in whose backward."""
        for index, (node, more) in enumerate(zip(taken.nodes, self._more, strict=True)):
            if index in self._leaves:
                continue
            parent = parent_of(node)
            if parent is not None:
                more["parent"], more["order"] = parent
            place = place_of(node)
            if place is not None and place.code is not None:
                key = (place, root_of(node))
                more["place"] = self._places.setdefault(key, len(self._places))

    def take_values(self, taken: Taken, values: Mapping[int, float]) -> None:
        """The number that the forward gave at each scalar node."""
        for fact, more in zip(taken.facts, self._more, strict=True):
            value = values.get(fact.sequence_nr)
            if value is not None:
                more["value"] = value
        for index, leaf in taken.leaves.items():
            with torch.no_grad(), torch._C.DisableTorchFunction():
                self._more[index]["value"] = measure(leaf)
        for index, _ in self.roots:
            if self._loss is not None and len(self.roots) == 1:
                self._more[index].setdefault("value", self._loss)

    def take_constants(self, taken: Taken, constants: Constants, modules: Modules) -> None:
        """What the ops took in without a gradient."""
        self._constants = constants.facts(taken.nodes, modules)
        if constants.left_out:
            self._not_seen.append(f"the constants of {constants.left_out} ops")
        constants.forget()

    def take_gradients(self, passing: Passing, handed_out: Mapping[int, Tensor]) -> None:
        """What the backward did. `handed_out` are gradients by the id of their leaf."""
        for index, leaf in self._leaves.items():
            if leaf in handed_out:
                passing.leaf(index, handed_out[leaf])
        for more, measured in zip(self._more, passing.facts(), strict=True):
            more.update(measured)
        if passing.on_accelerator:
            self._notes.append(_ACCELERATOR)
        if passing.passed_over:
            self._not_seen.append(f"{passing.passed_over} gradients of tensor subclasses")
        for fault, count in passing.faults.items():
            self._not_seen.append(f"{count} gradients that could not be measured: {fault}")

    def named(
        self,
        number: int,
        name_of: Callable[[int], str],
        expression_of: Expression,
        passes: Sequence[tuple[Location | None, int]],
    ) -> AutogradGraph:
        """The graph as a fact."""
        for index, leaf in self._leaves.items():
            self._more[index]["leaf"] = name_of(leaf)
            self._more[index]["is_parameter"] = index in self._parameters
        places = tuple(self._place(loc, root, expression_of) for loc, root in self._places)
        return AutogradGraph(
            nodes=structs(self._facts, self._more),
            places=places,
            definitions=self._definitions,
            constants=self._constants,
            roots=self.roots,
            modules=self._module_classes(),
            backward=self._backward.location(),
            call=self._call,
            number=number,
            loss=self._loss,
            small=self.small,
            other_passes=tuple((place, first) for place, first in passes if first != number),
            notes=tuple(self._notes),
            not_seen=tuple(self._not_seen),
        )

    def _place(self, loc: Loc, root: int, expression_of: Expression) -> GraphPlace:
        variable, expression = expression_of(loc)
        module = None
        if loc.module is not None and 0 <= root < len(self._modules.roots):
            module = ".".join(filter(None, (self._modules.roots[root].name, loc.module)))
        return GraphPlace(loc.location(), module, variable, expression)

    def _module_classes(self) -> dict[str, str]:
        return {
            ".".join(filter(None, (root.name, fact.path))): fact.class_name
            for root in self._modules.roots
            for fact in root.facts
        }
