"""Where a program differentiates a function's gradient again: exactly, node by node.

A backward with `create_graph` runs through a function's node. What that node returns either has a graph,
made inside its backward: a later pass that runs a node of it differentiates through this backward. Or it
has none: then the values computed from the gradient are followed, through differentiable ops, into the
root of a later pass, which takes their derivative for zero.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge
from torch.utils.weak import WeakTensorKeyDictionary

from gradscope.finding import Location
from gradscope.recorder.graph import walk
from gradscope.recorder.places import Loc

_current_sequence_nr = torch._C._autograd._get_sequence_nr
_KEY = "gradscope: made in the backward of"
_CUTTING = frozenset(["detach", "detach_", "item", "numpy", "tolist", "requires_grad_"])


@dataclass(frozen=True, slots=True)
class Loss:
    """A second derivative that got lost in a first backward: of `function`, at a node that reaches `nodes`
    (sequence numbers) and `leaves` (by `id`; those that the first backward was asked for are not `others`).
    """

    function: Any
    nodes: frozenset[int]
    leaves: frozenset[int]
    others: frozenset[int]
    parameters: frozenset[int]


@dataclass(slots=True, eq=False)
class _Pass:
    """One backward: its line, what it was asked for, and nodes whose gradient came out without a graph."""

    loc: Loc
    create_graph: bool
    inputs: tuple[Any, ...]
    began: dict[int, int] = field(default_factory=dict)  # id of a node -> sequence number before it ran
    dropped: list[tuple[Any, Any]] = field(default_factory=list)  # (function, node)


class _Stack(threading.local):
    """The passes that this thread has begun, the innermost last."""

    def __init__(self) -> None:
        self.passes: list[_Pass] = []


class DoubleUse:
    """`twice` maps a function to the line of the pass that differentiated its backward."""

    def __init__(self) -> None:
        self.twice: dict[Any, Location] = {}
        self._stack = _Stack()
        self._last: _Pass | None = None  # for the engine's own threads
        self._losses: Any = WeakTensorKeyDictionary()  # tensor -> frozenset[Loss]

    @property
    def follows_values(self) -> bool:
        """Whether any living tensor was computed from a gradient without a graph."""
        return len(self._losses) > 0

    # ------------------------------------------------------------ nodes

    def watch(self, function: Any, node: Any) -> None:
        """Hooks a node of a function, right after its forward."""
        node.register_prehook(self._before(weakref.ref(node)))
        node.register_hook(self._after(function, weakref.ref(node)))

    def _before(self, reference: weakref.ref[Any]) -> Any:
        def before(_gradients: Any) -> None:
            this = self._this()
            if this is not None and this.create_graph:
                this.began[id(reference())] = _current_sequence_nr()

        return before

    def _after(self, function: Any, reference: weakref.ref[Any]) -> Any:
        def after(inputs: Any, _outputs: Any) -> None:
            this, node = self._this(), reference()
            began = this.began.pop(id(node), None) if this is not None else None
            if this is None or node is None or began is None:
                return
            for gradient in inputs if isinstance(inputs, tuple) else (inputs,):
                if not isinstance(gradient, Tensor):
                    continue
                made = gradient.grad_fn
                if made is not None and made._sequence_nr() >= began:
                    made.register_prehook(self._differentiated(function, this))
                    made.metadata[_KEY] = function  # type: ignore[index]  # torch's stub says method
                elif not gradient.requires_grad:
                    this.dropped.append((function, node))

        return after

    def _differentiated(self, function: Any, first: _Pass) -> Any:
        def differentiated(_gradients: Any) -> None:
            this = self._this()
            where = this.loc.location() if this is not None and this is not first else None
            if where is not None:
                self.twice.setdefault(function, where)

        return differentiated

    def _this(self) -> _Pass | None:
        return self._stack.passes[-1] if self._stack.passes else self._last

    # ------------------------------------------------------------ passes

    def begin(self, loc: Loc, create_graph: bool, inputs: Iterable[Any]) -> _Pass:
        """A backward starts in this thread."""
        this = _Pass(loc, create_graph, tuple(inputs))
        self._stack.passes.append(this)
        self._last = this
        return this

    def end(self, this: _Pass, roots: Sequence[Any], gradients: Any, *, raised: bool) -> None:
        """A backward has ended. `gradients` are what `autograd.grad` returns, None where they accumulate."""
        self._stack.passes.remove(this)
        self._last = self._stack.passes[-1] if self._stack.passes else None
        if not raised and this.dropped:
            self._follow(this, gradients)
        self._look_at(roots, this)
        if raised or _is_unused(this, gradients):
            self._look_for_unused(roots, this)
        this.inputs, this.dropped = (), []  # hooks of nodes hold the pass: it must not hold the graph

    def _look_at(self, roots: Sequence[Any], this: _Pass) -> None:
        """Whether this pass differentiated something that was computed from a gradient without a graph."""
        losses = {loss for root in roots if isinstance(root, Tensor) for loss in self._losses.get(root, ())}
        where = this.loc.location()
        for loss in losses:
            if where is not None and _matters(loss, this):
                self.twice.setdefault(loss.function, where)

    def _look_for_unused(self, roots: Sequence[Any], this: _Pass) -> None:
        """Whether this pass asked in vain for the derivative of a gradient, whose graph does not lead there.

        The second derivative of a backward that computes with constants, where `grad` raises "appears to not
        have been used in the graph", or returns None if told `allow_unused`. No node of that graph runs.
        """
        where = this.loc.location() if this.inputs else None
        if where is None:
            return
        nodes, _ = walk([root for root in roots if isinstance(root, Tensor)])
        for node in nodes:
            function = node.metadata.get(_KEY)
            if function is not None:
                self.twice.setdefault(function, where)

    def _follow(self, this: _Pass, gradients: Any) -> None:
        """Marks the gradients that came through the nodes that dropped their graph."""
        asked = {id(each) for each in this.inputs}
        for function, node in {id(node): (function, node) for function, node in this.dropped}.values():
            nodes, leaves = walk([GradientEdge(node, 0)])  # type: ignore[list-item]  # it takes edges too
            loss = Loss(
                function,
                frozenset(each._sequence_nr() for each in nodes if not hasattr(each, "variable")),
                frozenset(leaves),
                frozenset(leaves) - asked,
                frozenset(key for key, leaf in leaves.items() if isinstance(leaf, nn.Parameter)),
            )
            for gradient in _gradients_through(loss, leaves, this.inputs, gradients):
                self._add(gradient, frozenset([loss]))

    # ------------------------------------------------------------ values

    def computed(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """A differentiable op of the program: what it computes carries what its inputs carry."""
        if name in _CUTTING or not torch.is_grad_enabled():
            return
        carried: frozenset[Loss] = frozenset().union(*(self._losses.get(each, ()) for each in inputs))
        if carried:
            for tensor in outputs:
                if tensor.is_floating_point() or tensor.is_complex():
                    self._add(tensor, carried)

    def _add(self, tensor: Tensor, losses: frozenset[Loss]) -> None:
        self._losses[tensor] = self._losses.get(tensor, frozenset()) | losses


def _is_unused(this: _Pass, gradients: Any) -> bool:
    """Whether something that this pass was asked for is not in the graph that it ran through."""
    return bool(this.inputs) and gradients is not None and any(each is None for each in gradients)


def _gradients_through(
    loss: Loss, leaves: dict[int, Tensor], inputs: Sequence[Any], gradients: Any
) -> list[Tensor]:
    if gradients is None:
        return [leaf.grad for leaf in leaves.values() if leaf.grad is not None]
    found = []
    for given, gradient in zip(inputs, gradients, strict=False):
        if isinstance(gradient, Tensor) and _reaches(loss, given):
            found.append(gradient)
    return found


def _matters(loss: Loss, this: _Pass) -> bool:
    """Whether the lost derivative would have reached something that this pass was asked for.

    Without `inputs=` that is any leaf; those that the first backward was asked for (positions, say) only
    where they are parameters.
    """
    if this.inputs:
        return any(_reaches(loss, each) for each in this.inputs)
    return bool(loss.others or loss.parameters)


def _reaches(loss: Loss, given: Any) -> bool:
    """Whether what a pass was asked for, a tensor or an edge, lies on the node's way to the leaves."""
    node = given.node if isinstance(given, GradientEdge) else getattr(given, "grad_fn", None)
    if node is None:
        return id(given) in loss.leaves
    variable = getattr(node, "variable", None)
    return id(variable) in loss.leaves if variable is not None else node._sequence_nr() in loss.nodes
