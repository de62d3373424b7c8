"""What one backward did at each node of its graph: the gradients that came and went, and the time it took.

Hooks hold an index, never a node: one that held its node would keep the graph alive until the next garbage
collection. Norms stay on their device until the backward is over.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradscope.recorder.node_times import NodeTimes
from gradscope.recorder.norms import dense_values, norm_of, numbers
from gradscope.recorder.stats import PLAIN

Measured: TypeAlias = tuple[list[int | None], list[int | None]]  # of the incoming and the outgoing gradients


class Passing:
    """The hooks of one backward. `attach` before the engine; `detach` after it, also where it raised.

    With `signed`, every gradient is a scalar and keeps its sign; otherwise 2-norms are taken. `faults`
    counts gradients that could not be measured, by reason, and `passed_over` those of tensor subclasses.
    """

    def __init__(self, *, signed: bool) -> None:
        self._signed = signed
        self._times = NodeTimes()
        self._measured: list[Measured | None] = []
        self._norms: list[Tensor] = []
        self._handles: list[Any] = []
        self.on_accelerator = False
        self.faults: Counter[str] = Counter()
        self.passed_over = 0

    def attach(self, nodes: Sequence[Any]) -> None:
        """Puts the hooks in: those that read the clock are nearest to the node."""
        self._measured = [None] * len(nodes)
        self._times.attach(nodes)
        collecting = gc.isenabled()
        gc.disable()
        try:
            for index, node in enumerate(nodes):
                self._handles.append(node.register_hook(self._hook(index)))
        finally:
            if collecting:
                gc.enable()

    def detach(self) -> None:
        """Removes every hook."""
        self._times.detach()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, index: int) -> Callable[..., None]:
        measured, measure = self._measured, self._measure

        def hook(grad_inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor | None]) -> None:
            try:
                with torch.no_grad(), torch._C.DisableTorchFunction():
                    measured[index] = ([*map(measure, grad_outputs)], [*map(measure, grad_inputs)])
            except Exception as error:  # noqa: BLE001  must not reach the program's backward
                self.faults[f"{type(error).__name__}: {error}"] += 1

        return hook

    def leaf(self, index: int, gradient: Tensor) -> None:
        """The gradient of a leaf, where it was not accumulated but handed out."""
        if self._measured[index] is None:
            self._hook(index)((), (gradient,))

    def _measure(self, gradient: Tensor | None) -> int | None:
        """Where the norm of a gradient will stand among the norms."""
        if gradient is None:
            return None
        if type(gradient) not in PLAIN or torch._C._functorch.is_functorch_wrapped_tensor(gradient):
            self.passed_over += 1
            return None
        self.on_accelerator = self.on_accelerator or gradient.device.type != "cpu"
        signed = self._signed and gradient.numel() == 1 and not gradient.is_complex()
        self._norms.append(dense_values(gradient).reshape(()) if signed else norm_of(gradient))
        return len(self._norms) - 1

    def facts(self) -> list[dict[str, Any]]:
        """What is known of each node, by the names of the fields of a GraphNode."""
        values = numbers(self._norms) if self._norms else []

        def known(place: int | None) -> float | None:
            return values[place] if place is not None else None

        found: list[dict[str, Any]] = []
        for index, measured in enumerate(self._measured):
            seconds = self._times.seconds(index)
            if measured is None:
                found.append({"seconds": seconds})
                continue
            came = [value for value in map(known, measured[0]) if value is not None]
            whole = came[0] if len(came) == 1 else sum(each * each for each in came) ** 0.5
            found.append(
                {
                    "incoming": whole if came else None,
                    "outgoing": tuple([known(place) for place in measured[1]]),
                    "seconds": seconds,
                }
            )
        return found
