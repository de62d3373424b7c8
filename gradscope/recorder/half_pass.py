"""One backward pass with float16 in it: what its gradients are, next to what they should have been.

Beside each gradient goes what it has lost on the way, in float32: the difference between what the node
should have given and what it gave. Nothing is carried until a node's gradient comes near the lower end of
float16; then the node is run again on a larger gradient (`recorder/rerun.py`), and so is every node after it.
Gradients that are rounding errors and nothing else (`recorder/rounding.py`) have nothing to lose.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.halves import Flush, HalfOutcome, Shortfall
from gradscope.folds.visits import Spot
from gradscope.recorder.creation import place_of
from gradscope.recorder.factors import CARRIERS
from gradscope.recorder.graph import node_label
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.rerun import can_run_again, largest, run_again
from gradscope.recorder.rounding import NOISY, may_cancel, rounding_noise
from gradscope.recorder.stats import PLAIN, dtype_name

Gradients = Sequence[Tensor | None]
_HALF = torch.float16
_SMALLEST_NORMAL = 2.0**-14
_STEP = 2.0**-24  # between neighbouring float16 numbers below the smallest normal one
_FEW = 0.05  # of the elements that are not 0: below the smallest normal number, or flushed at a site
_EXACT = 0.02  # an error up to this is rounding
_LOSSY = 0.1  # a leaf that lost this much of its gradient
_SAME_ELEMENTS = CARRIERS - {"ToCopyBackward0"}  # counted once, where they were made


@dataclass(slots=True)
class _Arriving:
    """What was given to one input of a node: the gradients, what they had lost, and their rounding errors.

    `noise` is the 2-norm of those that are nothing but rounding errors.
    """

    given: list[Tensor] = field(default_factory=list)
    lost: Tensor | None = None
    error: float = 0.0
    noise: float = 0.0


class HalfPass:
    """The hooks of one pass. `attach` before the engine, `detach` after it, then read `outcome`."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes = nodes
        self.failures: Counter[str] = Counter()
        self.outcome = HalfOutcome()
        self._index = {node: index for index, node in enumerate(nodes)}
        self._arriving: dict[tuple[int, int], _Arriving] = {}
        self._handles: list[Any] = []
        self._flushes: list[Flush] = []
        self._shortfalls: list[Shortfall] = []
        self._lock = threading.RLock()

    def attach(self) -> None:
        """Registers a hook on every node."""
        for index, node in enumerate(self.nodes):
            self._handles.append(node.register_hook(self._hook_for(index, type(node) is AccumulateGrad)))

    def detach(self) -> None:
        """Removes every hook and drops every reference to nodes and tensors."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._index.clear()
        self._arriving.clear()
        self.nodes = ()
        self.outcome.flushes, self.outcome.shortfalls = self._flushes, self._shortfalls

    def _hook_for(self, index: int, is_leaf: bool) -> Any:
        visit = self._visit_leaf if is_leaf else self._visit

        def hook(grad_inputs: Gradients, grad_outputs: Gradients) -> None:
            recording = torch.is_grad_enabled()
            torch._C._set_grad_enabled(False)
            try:
                with self._lock:
                    if not self.outcome.spoiled:
                        visit(index, grad_inputs, grad_outputs)
            except Exception as error:  # noqa: BLE001  must not reach the program's backward
                self.outcome.spoiled = True
                self.failures[f"{type(error).__name__}: {error}"] += 1
            finally:
                torch._C._set_grad_enabled(recording)

        return hook

    # ------------------------------------------------------------ nodes

    def _visit(self, index: int, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        node = self.nodes[index]
        if not all(g is None or _is_readable(g) for g in (*grad_inputs, *grad_outputs)):
            return
        arrived = [self._arrived(index, number, g) for number, g in enumerate(grad_outputs)]
        error = max((known.error for known in arrived), default=0.0)
        halves = [g for g in grad_inputs if g is not None and g.dtype is _HALF]
        peaks = [largest(g) for g in halves]
        if not all(map(math.isfinite, peaks)):
            self.outcome.spoiled = True
            return
        self.outcome.largest = max(self.outcome.largest, *peaks, 0.0)
        truth: Gradients = [None] * len(grad_inputs)
        noises = [max(map(_noise_in, grad_outputs, arrived), default=0.0)] * len(grad_inputs)
        low = bool(error) or _any_low(halves, peaks, grad_outputs)
        if (low or may_cancel(node_label(node))) and max(noises, default=0.0) < NOISY and can_run_again(node):
            whole = [_whole(g, one.lost) for g, one in zip(grad_outputs, arrived, strict=True)]
            again = run_again(node, whole, grad_inputs) if low else None
            truth = again or truth
            exact = [one.lost is not None for one in arrived]
            if again is None or _any_lost(grad_inputs, truth):
                noises = list(map(max, noises, rounding_noise(node, whole, exact, again or grad_inputs)))
        self._give(node, grad_inputs, truth, error, noises)

    def _arrived(self, index: int, number: int, got: Tensor | None) -> _Arriving:
        """What an input was given; without the loss where a hook has changed it since."""
        known = self._arriving.pop((index, number), None)
        if known is None or got is None:
            return _Arriving()
        if known.lost is None or not _is_sum(got, known.given):
            return _Arriving(noise=known.noise)
        return known

    def _give(
        self,
        node: Any,
        grad_inputs: Gradients,
        truth: Gradients,
        before: float,
        noises: Sequence[float],
    ) -> None:
        """Notes what each edge gives and has lost, and a flush where most of the loss is this node's own."""
        flush: tuple[float, float] = (0.0, 0.0)
        label = node_label(node)
        for edge, (g, true, noise) in enumerate(zip(grad_inputs, truth, noises, strict=True)):
            target, number = node.next_functions[edge]
            index = self._index.get(target)
            if g is None or index is None:
                continue
            slot = self._arriving.setdefault((index, number), _Arriving())
            if type(target) is not AccumulateGrad:  # AccumulateGrad keeps what nobody else holds
                slot.given.append(g)
            if noise >= NOISY:
                slot.noise += float(torch.linalg.vector_norm(g, dtype=torch.float32))
                continue
            if true is None:
                continue
            lost, error = _difference(g, true)
            if error <= _EXACT:
                continue
            slot.lost = lost if slot.lost is None else slot.lost + lost
            slot.error = max(slot.error, error)
            if g.dtype is _HALF and label not in _SAME_ELEMENTS:
                self._count(true)
                share = flushed(g, true) / max(1, int(torch.count_nonzero(true)))
                if error > 2 * before:
                    flush = max(flush, (share, error))
        if any(flush):
            self._flushes.append(Flush(Spot(label, place_of(node)), *flush))

    def _count(self, true: Tensor) -> None:
        """Counts the elements by exponent, and notes the largest: what float16 had to hold."""
        exponents = torch.frexp(true[true != 0])[1].to(torch.int64) - 1
        if not exponents.numel():
            return
        lowest = int(exponents.min())
        for offset, count in enumerate(torch.bincount(exponents - lowest).tolist()):
            if count:
                self.outcome.exponents[lowest + offset] += count
        self.outcome.largest = max(self.outcome.largest, largest(true))

    # ------------------------------------------------------------ leaves

    def _visit_leaf(self, index: int, _: Gradients, grad_outputs: Gradients) -> None:
        known, got = self._arriving.pop((index, 0), None), grad_outputs[0]
        leaf = self.nodes[index].variable
        if known is None or known.lost is None or got is None or leaf._backward_hooks:
            return
        if not _is_readable(got):
            return
        whole = got.to(torch.float32) + known.lost
        error = _difference(got, whole)[1]
        if error >= _LOSSY and _noise_in(whole, known) < NOISY:
            dtype = dtype_name(leaf.dtype)
            nonzero = int(torch.count_nonzero(whole))
            self._shortfalls.append(
                Shortfall(id(leaf), tuple(leaf.shape), dtype, nonzero, flushed(got, whole), error)
            )


def has_half(nodes: Sequence[Any]) -> bool:
    """Whether a graph holds float16: a leaf of that type, or a cast to it."""
    for node in nodes:
        kind = type(node)
        if kind is AccumulateGrad:
            if node.variable.dtype is _HALF:
                return True
        elif kind.__name__ == "ToCopyBackward0" and node._input_metadata[0].dtype is _HALF:
            return True
    return False


def _is_readable(gradient: Tensor | None) -> bool:
    return (
        type(gradient) in PLAIN
        and gradient is not None
        and gradient.layout is torch.strided
        and gradient.dtype.is_floating_point
        and gradient.element_size() > 1
    )


def flushed(given: Tensor, true: Tensor) -> int:
    """How many elements are exactly 0 that should not be."""
    return int(torch.count_nonzero((given == 0) & (true != 0)))


def _any_low(halves: Sequence[Tensor], peaks: Sequence[float], grad_outputs: Gradients) -> bool:
    """Whether a float16 gradient has come near the lower end: many subnormal elements, or only zeros."""
    for g, peak in zip(halves, peaks, strict=True):
        if not peak:
            if any(one is not None and largest(one) for one in grad_outputs):
                return True
            continue
        normal = int(torch.count_nonzero(g.abs() >= _SMALLEST_NORMAL)) if peak >= _SMALLEST_NORMAL else 0
        if normal < (1 - _FEW) * int(torch.count_nonzero(g)):
            return True
    return False


def _any_lost(given: Gradients, truth: Gradients) -> bool:
    """Whether something that a node gave is off by more than rounding."""
    pairs = zip(given, truth, strict=True)
    return any(_difference(g, true)[1] > _EXACT for g, true in pairs if g is not None and true is not None)


def _noise_in(got: Tensor | None, known: _Arriving) -> float:
    """How much of what arrived, by the 2-norm, was given as nothing but rounding errors."""
    if got is None or not known.noise:
        return 0.0
    whole = float(torch.linalg.vector_norm(got, dtype=torch.float32))
    return known.noise / whole if whole else 1.0


def _whole(got: Tensor | None, lost: Tensor | None) -> Tensor | None:
    """What should have arrived, in float32."""
    if got is None:
        return None
    plain = got.to(torch.float32)
    return plain if lost is None else plain + lost


def _difference(given: Tensor, true: Tensor) -> tuple[Tensor, float]:
    """What a gradient lacks, in float32, and its 2-norm relative to that of the whole."""
    lost = true - given.to(torch.float32)
    whole = float(torch.linalg.vector_norm(true))
    return lost, float(torch.linalg.vector_norm(lost)) / whole if whole else 0.0


def _is_sum(got: Tensor, given: Sequence[Tensor]) -> bool:
    """Whether what a node got is the sum of what it was given, up to rounding: no hook in between."""
    if len(given) == 1:
        return given[0] is got  # handed on as it is
    if any(g.shape != got.shape for g in given):
        return False
    total = torch.stack([g.to(torch.float32) for g in given]).sum(0)
    peak = max(map(largest, given))
    return largest(got.to(torch.float32) - total) <= 2.0**-9 * peak + _STEP * len(given)
