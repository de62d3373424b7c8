"""Says what storages are used for: parameters, inputs, gradients, optimizer state, saved for backward."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Final

from torch import Tensor, nn

from gradscope.facts.memory import MemoryKind, MemoryPhase
from gradscope.folds.kept_graph import NO_PLACE
from gradscope.folds.storages import KINDS, NO_MAKER
from gradscope.recorder.memory.kept_graph import Taken
from gradscope.recorder.memory.makers import Makers
from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.places import Loc
from gradscope.recorder.values import grad_fn

RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_COMPILED: Final = "CompiledFunctionBackward"  # what it allocates is not seen
_MOST_PHASES: Final = 10_000
_DEPTH: Final = 8  # of what is nested in an optimizer's state


class Kinds:
    """Labels the storages of the log. A label is only ever replaced by one that comes before it."""

    def __init__(self, live: LiveStorages, makers: Makers) -> None:
        self._live = live
        self._log = live.log
        self._makers = makers
        self._phases = [(0, self._log.phase)]  # the first storage that was born in a phase

    def entered(self) -> None:
        """The log has entered a phase."""
        self._phases.append((len(self._log.sizes), self._log.phase))
        if len(self._phases) > 2 * _MOST_PHASES:
            del self._phases[:_MOST_PHASES]

    def claim(self, tensors: Iterable[Tensor], kind: MemoryKind) -> None:
        """These are of this kind."""
        for tensor in tensors:
            for number in self._live.counted(tensor, kind):
                self._label(number, kind)

    def _label(self, number: int, kind: MemoryKind) -> None:
        if RANK[kind] < RANK[self._log.kind(number)]:
            self._log.label(number, kind)

    def module(self, module: nn.Module) -> None:
        """The parameters and buffers of a module."""
        self.claim(module.parameters(), MemoryKind.PARAMETER)
        self.claim(module.buffers(), MemoryKind.BUFFER)

    def inputs(self, tensors: Iterable[Tensor]) -> None:
        """Given to a root module. What another module made or the graph continues is an intermediate."""
        for tensor in tensors:
            if grad_fn(tensor) is not None:
                continue
            for number in self._live.counted(tensor, MemoryKind.INPUT):
                if not self._makers.in_module(self._log.makers[number]):
                    self._label(number, MemoryKind.INPUT)

    def leaves(self, leaves: Iterable[Tensor]) -> None:
        """Leaves of a graph: trained, unless they were given to a root module."""
        self.claim_unless_input(leaves, MemoryKind.PARAMETER)

    def claim_unless_input(self, tensors: Iterable[Tensor], kind: MemoryKind) -> None:
        """These are of this kind, but for inputs."""
        for tensor in tensors:
            for number in self._live.counted(tensor, kind):
                if self._log.kind(number) is not MemoryKind.INPUT:
                    self._label(number, kind)

    def saved(self, taken: Taken) -> None:
        """A graph keeps these: inputs where they were there before the forward began."""
        places = list(taken.places)
        for node in taken.nodes:
            loc = places[node.place][0] if node.place != NO_PLACE else None
            for tensor in node.saved:
                is_number = not tensor.shape  # "x / 8" saves the 8
                for number in tensor.storages:
                    inside = is_number or node.op == _COMPILED
                    outside = not inside and self._is_from_outside(number, loc)
                    self._label(number, MemoryKind.INPUT if outside else MemoryKind.SAVED)

    def _is_from_outside(self, number: int, saved_at: Loc | None) -> bool:
        """Whether a storage was there before the forward: born before it, and not by the op that saves it."""
        maker = self._log.makers[number]
        if maker == NO_MAKER:
            return True
        made = self._makers.entry(maker)
        if made is None or made[1].module is not None or made[1] is saved_at:
            return False
        return self._phase_of(number) is MemoryPhase.OUTSIDE

    def _phase_of(self, number: int) -> MemoryPhase:
        index = bisect_right(self._phases, number, key=lambda each: each[0]) - 1
        return self._phases[index][1] if index >= 0 else MemoryPhase.OUTSIDE  # long ago

    def gradients(self, leaves: Iterable[Tensor]) -> None:
        """The `.grad` of leaves, where they have one."""
        grads = (leaf.grad for leaf in leaves)
        self.claim((grad for grad in grads if grad is not None), MemoryKind.GRADIENT)

    def optimizer_state(self, state: Mapping[Any, Any]) -> None:
        """What an optimizer keeps for its parameters."""
        self.claim(_tensors(list(state.values()), _DEPTH), MemoryKind.OPTIMIZER_STATE)


def _tensors(value: Any, depth: int) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if not depth:
        return []
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for each in value for tensor in _tensors(each, depth - 1)]
