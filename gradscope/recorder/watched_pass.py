"""One backward pass under watch: what the hooks on its nodes saw, told to the folds when it is over."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor

from gradscope.folds.births import BirthFold, trace
from gradscope.folds.visits import Content, Factor, HookSite, Look, Occasion, Spot, Visit
from gradscope.folds.zeroing import ZeroFold
from gradscope.recorder.factors import is_sum, zero_factor
from gradscope.recorder.node_hooks import AccumulateGrad, Gradients, hook_makers
from gradscope.recorder.pass_graph import PassGraph
from gradscope.recorder.received import NONFINITE, what_arrived, with_summands
from gradscope.recorder.rerun import true_largest
from gradscope.recorder.saved import look_up_stats, saved_stats
from gradscope.recorder.stats import content, value_stats

_LOOKS_PER_PASS = 2


class Hooks(Protocol):
    """What is known of the program's own hooks while a backward runs."""

    def that_made(self, gradients: Iterable[Tensor | None]) -> HookSite | None:
        """The hook that made one of these gradients zero or non-finite."""

    def that_changed(self, leaf: int) -> HookSite | None:
        """The hook that did so to the `.grad` of a leaf, after it was accumulated."""


class WatchedPass:
    """The hooks of one backward pass. `attach` before the engine, `detach` and then `fold` after it."""

    def __init__(
        self,
        nodes: Sequence[Any],
        roots: Iterable[Any],
        inputs: Sequence[Any] | None,
        occasion: Occasion,
        births: BirthFold,
        zeroing: ZeroFold,
        hooks: Hooks | None = None,
    ) -> None:
        self.graph = PassGraph(nodes, roots, inputs)
        self._hooks = hooks
        self._leaf_hooks: dict[int, HookSite] = {}
        self.occasion = occasion
        self.births = births
        self.zeroing = zeroing
        self.failures: Counter[str] = Counter()
        self.unwatched = 0
        self._visits: list[Visit] = []
        self._odd_leaves: dict[int, Content] = {}
        self._handles: list[Any] = []
        self._looks: Counter[Spot] = Counter()
        self._spoiled: set[int] = set()  # nodes that were given something non-finite
        self._lock = threading.RLock()

    # ------------------------------------------------------------ hooks

    def attach(self) -> None:
        """Registers a hook on every node. Thousands of small allocations: no garbage collection meanwhile."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            hook_for, leaf_hook_for = hook_makers(self, self.graph.ran)
            keep = self._handles.append
            for index, node in enumerate(self.graph.nodes):
                if type(node) is AccumulateGrad:
                    self.graph.leaves[index] = id(node.variable)
                    keep(node.register_hook(leaf_hook_for(index)))
                else:
                    keep(node.register_hook(hook_for(index)))
        finally:
            if collecting:
                gc.enable()

    def detach(self) -> None:
        """Removes every hook."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def release(self) -> None:
        """Drops every reference to nodes and tensors."""
        self.graph.release()

    def failed(self, error: Exception) -> None:
        """Notes that a hook failed; the backward goes on."""
        self.failures[f"{type(error).__name__}: {error}"] += 1

    def retry(self, index: int, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        """Looks at a node whose gradients could not be summed (a layout without a sum, an 8-bit float)."""
        try:
            self.look(index, grad_inputs, grad_outputs)
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            self.failed(error)

    def look(self, index: int, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        """Notes a node whose gradients need more than their sums to be told."""
        with self._lock:
            outgoing = tuple(content(g) if type(g) is Tensor else None for g in grad_inputs)
            incoming = _overall(grad_outputs)
            if incoming.is_finite and all(given in (None, Content.NONZERO) for given in outgoing):
                return
            node = self.graph.nodes[index]
            spot = self.graph.spot(index)
            visit = Visit(index, spot, incoming, outgoing, self.graph.targets(node))
            if self._hooks is not None:
                before, after = self._hooks.that_made(grad_outputs), self._hooks.that_made(grad_inputs)
                visit = replace(visit, hook_before=before, hook_after=after)
            if Content.ZERO in outgoing and incoming is not Content.ZERO:
                visit = self._with_factors(visit, node, grad_inputs, grad_outputs)
            if incoming.is_finite and not all(given is None or given.is_finite for given in outgoing):
                visit = replace(visit, look=self._look(spot, node, visit, grad_inputs, grad_outputs))
            elif not incoming.is_finite and index not in self._spoiled:
                visit = replace(visit, look=_look_at_incoming(grad_outputs))
            self._spoiled.update(
                target
                for target, given in zip(visit.targets, outgoing, strict=True)
                if target is not None and given in NONFINITE
            )
            self._visits.append(visit)

    def look_at_leaf(self, index: int, gradient: Tensor) -> None:
        """Notes a leaf whose gradient needs more than its sum to be told."""
        found = content(gradient)
        if found is not Content.NONZERO:
            self._odd_leaves[index] = found
            hook = self._hooks.that_made((gradient,)) if self._hooks is not None else None
            if hook is not None:
                self._leaf_hooks[index] = hook

    def _look_behind(self) -> None:
        """Notes the leaves whose gradient a hook has changed after it was accumulated."""
        if self._hooks is None:
            return
        for index, leaf in self.graph.leaves.items():
            hook = self._hooks.that_changed(leaf)
            gradient = self.graph.nodes[index].variable.grad
            if hook is not None and type(gradient) is Tensor:
                self._odd_leaves[index] = content(gradient)
                self._leaf_hooks[index] = hook

    def _look(
        self, spot: Spot, node: Any, visit: Visit, grad_inputs: Gradients, grad_outputs: Gradients
    ) -> Look | None:
        self._looks[spot] += 1
        if self._looks[spot] > _LOOKS_PER_PASS or not self.births.wants_look(spot):
            return None
        bad = next(
            g
            for g, given in zip(grad_inputs, visit.outgoing, strict=True)
            if g is not None and given in NONFINITE
        )
        got = next((g for g in grad_outputs if g is not None), None)
        return Look(
            value_stats("incoming", got) if got is not None else None,
            value_stats("outgoing", bad),
            saved_stats(node),
            self._true_largest(node, grad_inputs, grad_outputs),
        )

    def _true_largest(self, node: Any, grad_inputs: Gradients, grad_outputs: Gradients) -> float | None:
        try:
            return true_largest(node, grad_inputs, grad_outputs)
        except RuntimeError as error:  # out of memory, perhaps: the birth is told without it
            self.failed(error)
            return None

    def _with_factors(
        self, visit: Visit, node: Any, grad_inputs: Gradients, grad_outputs: Gradients
    ) -> Visit:
        label = visit.spot.node
        size = sum(g.numel() for g in grad_outputs if g is not None)
        factors: list[Factor | None] = []
        cancels = []
        for edge, (gradient, given) in enumerate(zip(grad_inputs, visit.outgoing, strict=True)):
            zero = given is Content.ZERO
            factors.append(zero_factor(node, label, edge, self.graph.leaf_of) if zero else None)
            cancels.append(gradient is not None and is_sum(label, edge, gradient, size))
        whole = all(
            given in (None, Content.ZERO) or summed
            for given, summed in zip(visit.outgoing, cancels, strict=True)
        )
        look = None
        if (whole or any(factors)) and self.zeroing.wants_look(visit.spot):
            look = Look(None, None, (*saved_stats(node), *look_up_stats(node)))
        return replace(visit, factors=tuple(factors), cancels=tuple(cancels), look=look)

    # ------------------------------------------------------------ after the pass

    def fold(self) -> None:
        """Tells the folds what was seen."""
        self._look_behind()
        curious = bool(self._visits) or Content.ZERO in self._odd_leaves.values()
        edges = self.graph.edges_into() if curious else Counter[int]()
        roots = self.graph.roots() if curious else Counter[int]()
        received = what_arrived(self.graph, self._visits, edges, self._odd_leaves, self._leaf_hooks)
        visits = with_summands(self._visits, edges, roots)
        occasion = replace(self.occasion, trainable=len(self.graph.leaves))
        self.births.add(trace(visits, received, self._spot_of_run), occasion)
        self.zeroing.add(visits, received)

    def _spot_of_run(self, index: int) -> Spot | None:
        return self.graph.spot(index) if self.graph.ran[index] else None


def _look_at_incoming(grad_outputs: Gradients) -> Look | None:
    """Statistics of a gradient that became non-finite on its way into a node."""
    bad = next((g for g in grad_outputs if type(g) is Tensor and content(g) in NONFINITE), None)
    return Look(value_stats("incoming", bad), None, ()) if bad is not None else None


def _overall(gradients: Gradients) -> Content:
    found = {content(g) for g in gradients if type(g) is Tensor}
    return next((c for c in (*NONFINITE, Content.NONZERO) if c in found), Content.ZERO)
