"""How large the gradients of weights are, layer by layer and step by step.

The norms of the weights' gradients are taken in every backward anyway. What is added in the first few
backwards of a line: the depth of each weight in the graph, and one hook on each node that takes a
weight, which notes the norm of the gradient that arrives there.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradscope.facts import GradientGrowth, GradientProfile
from gradscope.folds.scale import GrowthFold, Layer, ProfileFold
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.layers import Taking, takings, weights_among
from gradscope.recorder.leaves import LeafEntry, Leaves
from gradscope.recorder.norms import norm_of, numbers
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc
from gradscope.recorder.stats import PLAIN

_LOOKS = 3
_LATER = 32  # from here on, powers of two
_MOST_HOOKS = 16_384
_MOST_MODELS = 8
_Arrived: TypeAlias = dict[int, Tensor]


@dataclass(slots=True)
class _Model:
    """The backwards of one line while it trains the same weights; a loop over models has several."""

    weights: dict[int, weakref.ref[Tensor]]
    profile: ProfileFold = field(default_factory=ProfileFold)
    growth: GrowthFold = field(default_factory=GrowthFold)

    def has(self, weights: dict[int, weakref.ref[Tensor]]) -> bool:
        """Whether some of these are its weights, and none has taken another's place."""
        known = [(self.weights[key], reference) for key, reference in weights.items() if key in self.weights]
        return bool(known) and all(one is other for one, other in known)


class ScaleWatch:
    """The profiles of all backward lines. `before` and `got` go around every backward looked at closely;
    `after` follows those that were watched, whose nodes got hooks, one at a time.
    """

    def __init__(self, now: Now, leaves: Leaves) -> None:
        self._now = now
        self._leaves = leaves
        self._models: dict[Loc, list[_Model]] = {}
        self._current: dict[tuple[Loc, int], _Model] = {}  # by line and thread
        self._takings: list[Taking] = []
        self._keys: dict[int, int] = {}
        self._arrived: _Arrived = {}
        self._handles: list[Any] = []

    def before(self, nodes: Sequence[Any], leaves: Sequence[Tensor], loc: Loc, *, watched: bool) -> None:
        """Just before the engine walks these nodes: which model it is, and hooks where it is `watched`."""
        if watched:
            self._forget()
        weights = weights_among(leaves)
        if not weights:
            return
        entries = {id(leaf): self._leaves.entry(leaf) for leaf in leaves if id(leaf) in weights}
        model = self._choose(loc, {entry.order: entry.tensor for entry in entries.values()})
        if watched:
            self._watch(model, nodes, entries)

    def _watch(self, model: _Model, nodes: Sequence[Any], entries: dict[int, LeafEntry]) -> None:
        number = model.profile.count + 1
        if number > _LOOKS and (number < _LATER or number & (number - 1)):
            return
        self._keys = {key: entry.order for key, entry in entries.items() if not entry.zero_at_start}
        self._takings = takings(nodes, set(self._keys))
        model.profile.nodes = tuple(Counter(type(node).__name__ for node in nodes).most_common())
        if len(self._takings) <= _MOST_HOOKS:
            for index, taking in enumerate(self._takings):
                self._handles.append(taking.node.register_hook(_hook(self._arrived, index, self._failed)))

    def _choose(self, loc: Loc, weights: dict[int, weakref.ref[Tensor]]) -> _Model:
        """The line's model with these weights; a new one where they, or some of them, are other tensors."""
        models = self._models.setdefault(loc, [])
        model = next((one for one in models if one.has(weights)), None)
        if model is None:
            model = _Model({})
            if len(models) < _MOST_MODELS:  # a later one is looked at and forgotten
                models.append(model)
        self._current[loc, threading.get_ident()] = model
        model.weights.update(weights)
        return model

    def _failed(self, error: Exception) -> None:
        self._now.fault("the norm of an arriving gradient", error)

    def after(self, loc: Loc, *, raised: bool) -> None:
        """After the engine ran: folds what the hooks noted, unless it raised, and removes them."""
        if not self._takings:
            return
        try:
            if not raised:
                norms = dict(zip(self._arrived, numbers(list(self._arrived.values())), strict=True))
                self._current[loc, threading.get_ident()].profile.look(self._layers(norms))
        finally:
            self._forget()

    def _forget(self) -> None:
        """Removes every hook, and lets go of nodes and tensors."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._arrived.clear()
        self._takings, self._keys = [], {}

    def _layers(self, norms: dict[int, float]) -> dict[int, Layer]:
        uses: dict[int, list[int]] = {}
        taken = self._takings
        for index, taking in enumerate(taken):
            for weight in dict.fromkeys(taking.weights):
                uses.setdefault(self._keys[weight], []).append(index)
        layers = {}
        for key, indices in uses.items():
            deepest = taken[indices[-1]]
            arriving = tuple(norms[index] for index in indices if index in norms)
            place = place_of(deepest.node)
            again = any(self._keys[weight] == key for index in indices for weight in taken[index].again)
            layers[key] = Layer(deepest.depth, node_label(deepest.node), place, arriving, again)
        return layers

    def got(
        self,
        loc: Loc,
        number: int,
        norms: Sequence[tuple[LeafEntry, float]],
        whole: float,
        loss: float | None,
        *,
        scaled: bool,
    ) -> None:
        """The norms of all gradients that backward `number` left, each and whole, and its loss where read.

        Where the loss is scaled, its scale may double from time to time until something overflows:
        growth from step to step is not judged.
        """
        if not norms:
            return
        key = loc, threading.get_ident()
        model = self._current.get(key)
        if model is None:
            model = self._current[key] = _Model({})
            self._models.setdefault(loc, []).append(model)
        if not scaled:
            model.growth.add(number, whole, loss)
        if model.profile.counted():
            model.profile.keep(number, [(entry.order, norm) for entry, norm in norms])

    # ------------------------------------------------------------ facts

    def profiles(self) -> tuple[GradientProfile, ...]:
        """One profile for each model of each line whose graphs have weights."""
        entries = self._leaves.by_order()

        def describe(order: int) -> tuple[str, int]:
            return entries[order].name, math.prod(entries[order].shape)

        return tuple(
            model.profile.fact(loc, describe)
            for loc, models in self._models.items()
            for model in models
            if model.profile.layers
        )

    def growths(self) -> tuple[GradientGrowth, ...]:
        """The largest growth from step to step of each model of each line."""
        facts = (model.growth.fact(loc) for loc, models in self._models.items() for model in models)
        return tuple(fact for fact in facts if fact is not None)


def _hook(arrived: _Arrived, index: int, failed: Callable[[Exception], None]) -> Callable[..., None]:
    """Notes the norm of what arrives; the number stays on its device until the pass is over."""

    def hook(_: Any, grad_outputs: Sequence[Tensor | None]) -> None:
        try:
            with torch.no_grad():
                norms = [norm_of(g) for g in grad_outputs if g is not None and type(g) in PLAIN]
                if norms:
                    arrived[index] = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            failed(error)

    return hook
