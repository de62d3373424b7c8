"""Inputs without elements, and inputs without dimensions: right where the function takes them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import BackwardRaised, Refused, evaluated, quiet, reference
from gradscope.checker.cases._passes import cotangents_for
from gradscope.checker.numeric import compare
from gradscope.checker.point import Deadline, Point
from gradscope.facts.checks import Facts

EMPTY = "zero-size inputs"
SCALAR = "zero-dimensional inputs"
_SECONDS = 0.2


@case(EMPTY, 41)
def zero_size(setting: Setting) -> Facts:
    """The same number of rows as the first input has, in no row at all."""
    return _looked(setting, EMPTY, _without_rows(setting.point), "the inputs have no rows")


@case(SCALAR, 42)
def zero_dimensional(setting: Setting) -> Facts:
    """One element of each input, where all have one shape."""
    return _looked(setting, SCALAR, _single(setting.point), "the inputs have no dimensions")


def _without_rows(point: Point) -> Point | None:
    sizes = [tensor.shape[0] for tensor in point.tensors if tensor.dim()]
    if not sizes or sizes[0] == 0:
        return None
    changed = {
        index: leaf[:0].clone()
        for index, leaf in enumerate(point.leaves)
        if isinstance(leaf, Tensor) and leaf.dim() and leaf.shape[0] == sizes[0]
    }
    return point.with_leaves(changed)


def _single(point: Point) -> Point | None:
    shapes = {tensor.shape for tensor in point.tensors}
    others = [
        leaf
        for index, leaf in enumerate(point.leaves)
        if isinstance(leaf, Tensor) and index not in point.active
    ]
    shape = next(iter(shapes)) if len(shapes) == 1 else torch.Size()
    if others or not shape or 0 in shape:
        return None
    return point.with_leaves({index: point.leaves[index].reshape(-1)[0].clone() for index in point.active})


def _looked(setting: Setting, name: str, point: Point | None, words: str) -> Facts:
    """A backward that raises there is loud, and no program may ever go there; a wrong gradient is not."""
    if point is None:
        return not_applicable(name, "the inputs do not allow it")
    if isinstance(reference(setting), str) or setting.deliberate:
        return not_applicable(name, "the gradient is not the derivative anyway")
    try:
        done = evaluated(point)
        gradients = done.gradients(cotangents_for(done.values))
    except Refused as error:
        return not_applicable(name, f"forward refuses them: {error}")
    except BackwardRaised as error:
        return not_applicable(name, f"backward raises where {words}: {error}")
    if not all(bool(torch.isfinite(value).all()) for value in done.values):
        return not_applicable(name, "forward returns NaN or Inf there")
    shapes = [each.shape for each in gradients] == [each.shape for each in done.leaves]
    if not any(leaf.numel() for leaf in done.leaves):
        return passed(name, "an empty gradient, as it should be" if shapes else "")
    with quiet():
        comparison = compare(point, Deadline(min(_SECONDS, setting.deadline.left())))
    if comparison.wrong and not comparison.deliberate:
        first = replace(comparison.wrong[0], condition=f"only where {words}")
        return Facts(failed(name, f"input {first.input_name}"), wrong_gradients=(first,))
    if comparison.failed:
        return not_checked(name, comparison.failed)
    return passed(name)
