"""Runs one node of a backward once more, with its gradient multiplied by a power of two.

The backward of an op is linear in the gradient that it gets: f(2^k * g) is 2^k * f(g). In float16 the left
side tells what the right side should have been, where g is so small that f(g) was flushed to zero, or so
large that it became infinite. A power of two changes no digit. Nodes are called directly, not through the
engine: no hook runs and nothing is freed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.recorder.saved import has_unpack_hook
from gradscope.recorder.stats import content

Gradients = Sequence[Tensor | None]
_LEVELS = (4, -8, -14)  # the largest element of what goes in is brought to 2^level: less where that overflows
_REUSES_ITS_MEMORY = ("CudnnRnn", "MiopenRnn", "MkldnnRnn", "ThnnFused")


def can_run_again(node: Any) -> bool:
    """Whether a node may be called once more: one of torch's own formulas, whose saved tensors are plain.

    A custom Function would run the program's code; so would a saved tensor with an unpack hook.
    """
    name: str = node.name()
    if type(node).__module__ != "builtins" or not name.rstrip("0123456789").endswith("Backward"):
        return False  # a Function, or one of the engine's own nodes
    return "::" not in name and not name.startswith(_REUSES_ITS_MEMORY) and not has_unpack_hook(node)


def run_again(node: Any, grads: Gradients, given: Gradients) -> list[Tensor | None] | None:
    """What a node should have given, in float32, from what it should have got, in float32.

    The node gets each gradient in the dtype that its op's result had. Where one level overflows, the next
    one is tried; an edge that is not finite at any level is not finite in truth, and stays so. `given` is
    what it did give: the engine had summed it over dimensions that the forward had expanded, and so is the
    answer. None where there is nothing but zeros, or something non-finite, to begin with.
    """
    peak = max((largest(g) for g in grads if g is not None), default=0.0)
    if not 0 < peak < math.inf:
        return None
    types = [meta.dtype for meta in node._input_metadata]
    found: list[Tensor | None] | None = None
    for level in _LEVELS:
        power = level - math.frexp(peak)[1]
        out = node(
            *(
                None if g is None else _scaled(g, power).to(dtype)
                for g, dtype in zip(grads, types, strict=True)
            )
        )
        outputs = out if isinstance(out, tuple) else (out,)
        edges = [
            None if g is None or was is None else _scaled(g.to(torch.float32), -power).sum_to_size(was.shape)
            for g, was in zip(outputs, given, strict=True)
        ]
        found = edges if found is None else [_better(*pair) for pair in zip(found, edges, strict=True)]
        if all(g is None or is_finite(g) for g in found):
            break
    return found


def true_largest(node: Any, grad_inputs: Gradients, grad_outputs: Gradients) -> float | None:
    """The largest magnitude of what a node should have given, where only float16 made it infinite.

    None where it is not float16, where a wider range would not help, and where the node cannot run again.
    """
    bad = [edge for edge, g in enumerate(grad_inputs) if g is not None and not content(g).is_finite]
    if not all(_is_half(grad_inputs[edge]) for edge in bad) or not bad or not can_run_again(node):
        return None
    whole = [None if g is None else g.to(torch.float32) for g in grad_outputs]
    true = run_again(node, whole, grad_inputs)
    peaks = [largest(g) for edge in bad if true is not None and (g := true[edge]) is not None]
    return max(peaks) if peaks and all(map(math.isfinite, peaks)) else None


def largest(gradient: Tensor) -> float:
    """The largest magnitude; NaN or infinity where an element is, 0 for an empty tensor."""
    if not gradient.numel():
        return 0.0
    low, high = (float(end) for end in torch.aminmax(gradient))
    return math.nan if math.isnan(low) or math.isnan(high) else max(abs(low), abs(high))


def is_finite(gradient: Tensor) -> bool:
    """Whether every element is."""
    return math.isfinite(largest(gradient))


def _is_half(gradient: Tensor | None) -> bool:
    return gradient is not None and gradient.dtype is torch.float16 and gradient.layout is torch.strided


def _scaled(gradient: Tensor, power: int) -> Tensor:
    """A float32 tensor times 2^power, in two steps where the factor itself would not be representable."""
    if -120 <= power <= 120:
        return gradient * 2.0**power
    half = power // 2
    return gradient * 2.0**half * 2.0 ** (power - half)


def _better(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return second if first is not None and not is_finite(first) else first
