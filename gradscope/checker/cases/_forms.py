"""A function given the same values in another form, and the gradients that come back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.cases import Setting
from gradscope.checker.cases._passes import cotangents_for
from gradscope.checker.cases._values import dense
from gradscope.checker.point import Point, is_differentiable, tensors_of
from gradscope.checker.raised import raised, raised_at
from gradscope.facts.checks import ReturnFault, WrongReturn
from gradscope.loader.generators import generator_states, seeded

Give: TypeAlias = Callable[[int, Tensor], Tensor]
"""What the subject gets in place of an argument: its index among the leaves, and a copy of it."""

Gradients: TypeAlias = Callable[[Sequence[Tensor]], list[Tensor]]
"""One cotangent for each differentiable output -> one gradient for each active tensor, linear."""


class Refused(Exception):
    """The function's forward does not accept a form: its own error says so, and nothing is wrong."""


class BackwardRaised(Exception):
    """The forward accepted a form, and the backward raised; `__cause__` is what it raised."""


@dataclass(slots=True)
class Evaluation:
    """One evaluation with a graph. `leaves` require a gradient, one for each active tensor; `values` are
    copies of the differentiable outputs, `written` says whether an argument was changed in place. Sparse
    gradients (of an embedding) are made dense, and cannot pass every way in which an input is laid out.
    """

    leaves: list[Tensor]
    outputs: list[Tensor]
    values: list[Tensor]
    written: bool
    has_sparse_gradients: bool = False

    def gradients(self, cotangents: Sequence[Tensor]) -> list[Tensor]:
        """Zeros where no gradient came. Raises `BackwardRaised`."""
        return self._gradients(cotangents)[0]

    def draws(self, cotangents: Sequence[Tensor]) -> bool:
        """Whether backward draws random numbers: their order in memory follows the layout."""
        return self._gradients(cotangents)[1]

    def _gradients(self, cotangents: Sequence[Tensor]) -> tuple[list[Tensor], bool]:
        chosen = [index for index, output in enumerate(self.outputs) if output.requires_grad]
        if not chosen:
            return [torch.zeros_like(leaf) for leaf in self.leaves], False
        outputs, given = [self.outputs[index] for index in chosen], [cotangents[index] for index in chosen]
        with seeded(), torch.enable_grad(), quiet():
            before = generator_states()
            try:
                found = torch.autograd.grad(outputs, self.leaves, given, allow_unused=True)
            except Exception as error:
                raise BackwardRaised(raised(error)) from error
            drew = before != generator_states()
        self.has_sparse_gradients = any(one is not None and one.layout is not torch.strided for one in found)
        pairs = zip(found, self.leaves, strict=True)
        return [torch.zeros_like(leaf) if one is None else dense(one) for one, leaf in pairs], drew


def evaluated(point: Point, give: Give | None = None) -> Evaluation:
    """The subject at a point, each tensor as `give` makes it. Raises `Refused` where forward raises."""
    leaves, given = [], []
    with torch.enable_grad(), quiet():
        for index, value in enumerate(point.leaves):
            if not isinstance(value, Tensor):
                given.append(value)
                continue
            copy = value.detach().clone()
            if index in point.active:
                leaves.append(copy.requires_grad_())
            given.append(copy.clone() if give is None else give(index, copy))
        before = [one._version if isinstance(one, Tensor) else 0 for one in given]
        try:
            output = point.raw(given)
        except Exception as error:
            raise Refused(raised(error)) from error
    after = [one._version if isinstance(one, Tensor) else 0 for one in given]
    outputs = [tensor for tensor in tensors_of(output) if is_differentiable(tensor)]
    return Evaluation(leaves, outputs, [one.detach().clone() for one in outputs], before != after)


def gradients_of(point: Point, give: Give | None = None) -> Gradients:
    """The gradients at a point as a function of the cotangents; every call evaluates the subject anew."""
    return lambda cotangents: evaluated(point, give).gradients([one.clone() for one in cotangents])


@dataclass(frozen=True, slots=True)
class Reference:
    """What every form is held against: the gradients for random `cotangents`, everything contiguous."""

    point: Point
    values: list[Tensor]
    cotangents: list[Tensor]
    gradients: list[Tensor]
    written: bool
    random: bool


_references: WeakKeyDictionary[Point, Reference | str] = WeakKeyDictionary()


def reference(setting: Setting) -> Reference | str:
    """The reference at the setting's point, or why there is none, in a few words; measured once a point."""
    if not (setting.gradient_is_right or setting.deliberate):
        return "the gradient itself is not right"
    if setting.point not in _references:
        _references[setting.point] = _reference(setting.point)
    return _references[setting.point]


def _reference(given: Point) -> Reference | str:
    point = contiguous(given)
    try:
        first = evaluated(point)
        if not any(output.requires_grad for output in first.outputs):
            return "no output requires a gradient"
        if not all(value.layout is torch.strided for value in (*first.values, *first.leaves)):
            return "not all tensors are dense"
        cotangents = cotangents_for(first.values)
        gradients = first.gradients([one.clone() for one in cotangents])
        if first.has_sparse_gradients:
            return "a gradient is sparse"
        again = gradients_of(point)(cotangents)
        drew = evaluated(point).draws([one.clone() for one in cotangents])
    except Refused as error:
        return f"forward raises {error}"
    except BackwardRaised as error:
        return f"backward raises {error}"
    if not all(bool(torch.isfinite(each).all()) for each in (*gradients, *first.values)):
        return "values or gradients are not finite here"
    if drew or not agree(again, gradients):
        return "backward is random"
    return Reference(point, first.values, cotangents, gradients, first.written, draws(point))


def contiguous(point: Point) -> Point:
    """The same values in contiguous memory."""
    changed = {
        index: value.detach().clone(memory_format=torch.contiguous_format)
        for index, value in enumerate(point.leaves)
        if isinstance(value, Tensor) and value.layout is torch.strided
    }
    return point.with_leaves(changed)


def draws(point: Point) -> bool:
    """Whether the function draws random numbers: their order in memory follows the layout."""
    with seeded(), torch.no_grad(), quiet():
        before = generator_states()
        args, kwargs = pytree.tree_unflatten(point.fresh(), point.spec)
        point.subject.call(*args, **kwargs)
        return before != generator_states()


TOLERANCE = 1e-5
"""Relative to the largest element: sums in another order, also in float32, differ by less; a gradient that
another layout makes wrong differs by more."""


def apart(ours: Sequence[Tensor], right: Sequence[Tensor]) -> list[Tensor]:
    """Where gradients differ by more than `TOLERANCE`: one boolean tensor each, of their shape.

    Where the right one is not finite, nothing differs.
    """
    largest = [float(each.abs().max()) if each.numel() else 0.0 for each in right]
    overall = max((each for each in largest if each < math.inf), default=0.0)
    marks = []
    for one, other, scale in zip(ours, right, largest, strict=True):
        limit = TOLERANCE * scale + 1e-10 * overall + 1e-15
        difference = (one.to(other.dtype) - other).abs().nan_to_num(math.inf)
        marks.append((difference > limit) & torch.isfinite(other))
    return marks


def agree(ours: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    """Whether two lists of tensors have the same shapes and, within `TOLERANCE`, the same values."""
    if [each.shape for each in ours] != [each.shape for each in right]:
        return False
    return not any(bool(mark.any()) for mark in apart(ours, right))


def nudged(point: Point) -> Point:
    """The point with every differentiable value changed by about 1e-7 of itself."""
    generator = torch.Generator().manual_seed(0)
    changed = {}
    for index in point.active:
        value = point.leaves[index]
        factors = 1 + 1e-7 * torch.randn(value.shape, generator=generator, dtype=torch.float64, device="cpu")
        changed[index] = (value * factors.to(value.device)).to(value.dtype)
    return point.with_leaves(changed)


def same_outputs(ours: Sequence[Tensor], right: Sequence[Tensor], point: Point, give: Give | None) -> bool:
    """Whether a form gave the values of a point, as far as these are not more sensitive than that."""
    if agree(ours, right):
        return True
    if [each.shape for each in ours] != [each.shape for each in right]:
        return False
    try:
        moved = evaluated(nudged(point), give).values
    except Refused:
        return False
    return furthest(ours, right) <= 10 * furthest(moved, right)


def furthest(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The largest difference of two elements; infinite where the shapes differ."""
    if [each.shape for each in ones] != [each.shape for each in others]:
        return math.inf
    pairs = zip(ones, others, strict=True)
    differences = [(one - other).abs().nan_to_num(math.inf) for one, other in pairs if one.numel()]
    return max((float(each.max()) for each in differences), default=0.0)


def raises(error: BaseException, condition: str) -> WrongReturn:
    """The fact that backward raised where the forward was fine."""
    cause = error.__cause__ or error
    return WrongReturn(
        ReturnFault.RAISES,
        None,
        "",
        "gradients",
        "an exception",
        condition=condition,
        error=raised(cause),
        location=raised_at(cause),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings while the user's code runs in a form that the program itself did not choose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
