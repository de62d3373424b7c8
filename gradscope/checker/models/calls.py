"""Every call of a module inside a model, and the gradients of what it is given and of what it returns."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils import _pytree as pytree

from gradscope.checker.models.float64_copy import ModelCopy, gaussian
from gradscope.checker.models.objective import Projection
from gradscope.checker.models.slope import Slope, along, slope, typical
from gradscope.checker.models.stops import APPLY, Stops
from gradscope.checker.point import is_differentiable

_OFFSET = 1e-3


@dataclass(slots=True)
class Call:
    """One call: `number` counts beginnings, `parent` is the call it was made in (None for the model's own).

    `given` and `returned` name its places: the floating-point tensors of its arguments and of its output.
    """

    number: int
    name: str
    module: nn.Module
    parent: Call | None
    given: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)

    def is_inside(self, other: Call) -> bool:
        """Whether it was made by `other`, directly or not."""
        above = self.parent
        while above is not None:
            if above is other:
                return True
            above = above.parent
        return False


@dataclass(frozen=True, slots=True)
class Applied:
    """A call of a custom Function, and the module call that was the innermost then."""

    function: type[Function]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    call: Call


class ModelCalls:
    """One evaluation with a tensor of zeros added at every place; their gradients are those of the places.

    `calls` are in the order of their ends. Every place is moved a little, at random and always the same,
    so that the exact zeros that a ReLU returns put nothing behind it on a kink. ArithmeticError where the
    objective is not finite then.
    """

    def __init__(self, model: ModelCopy, projection: Projection) -> None:
        self._model, self._projection = model, projection
        self.calls: list[Call] = []
        self.applied: list[Applied] = []
        self._sizes: dict[str, float] = {}
        self._offsets: dict[str, Tensor] = {}
        leaves: dict[str, Tensor] = {}
        with self._watched(
            lambda place, tensor: self._first(place, tensor, leaves), _noted(self, model.stops)
        ):
            output, _ = model.run({}, first=True)
        scalar = projection.of(output)
        if not math.isfinite(float(scalar.detach())):
            raise ArithmeticError("not finite")
        with model.lifted:
            found = torch.autograd.grad(scalar, list(leaves.values()), allow_unused=True)
        self._gradients = dict(zip(leaves, found, strict=True))
        self._whole = typical(self._gradients, self._sizes, self._gradients)
        self._generator = torch.Generator().manual_seed(3)

    def slope(self, places: Sequence[str]) -> Slope:
        """Along one new direction of all these places together."""
        direction = {
            place: gaussian(self._offsets[place], self._generator) * self._sizes[place] for place in places
        }

        def value(distance: float) -> float:
            def moved(place: str, tensor: Tensor) -> Tensor:
                offset = self._offsets.get(place)
                if offset is None or offset.shape != tensor.shape:
                    return tensor
                by = direction.get(place)
                return tensor + (offset if by is None else offset + distance * by)

            with self._watched(moved):
                output, _ = self._model.run({})
            return float(self._projection.of(output).detach())

        size = typical(self._gradients, self._sizes, places)
        analytical = along(self._gradients, direction)
        return slope(value, analytical, size, self._projection.magnitude, 1e-9 * self._whole)

    def _first(self, place: str, tensor: Tensor, leaves: dict[str, Tensor]) -> Tensor:
        value = tensor.detach()
        size = float(value.abs().square().mean().sqrt()) if value.numel() else 0.0
        self._sizes[place] = size if 0.0 < size < math.inf else 1.0
        generator = torch.Generator().manual_seed(len(self._offsets))
        self._offsets[place] = gaussian(value, generator) * (_OFFSET * self._sizes[place])
        leaves[place] = torch.zeros_like(value, requires_grad=True)
        return tensor + self._offsets[place] + leaves[place]

    @contextmanager
    def _watched(
        self, change: Callable[[str, Tensor], Tensor], applied: Callable[[list[Call]], Any] | None = None
    ) -> Iterator[None]:
        """Hooks on every module for one forward; `change` is called with every place and its tensor."""
        open_calls: list[Call] = []
        ended: list[Call] = []
        count = 0

        def begins(name: str) -> Callable[..., Any]:
            def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
                nonlocal count
                parent = open_calls[-1] if open_calls else None
                call = Call(count, name, module, parent)
                count += 1
                open_calls.append(call)
                if parent is None:
                    return None
                with self._model.stops.apart():
                    changed, call.given = _changed((args, kwargs), f"{call.number} in", change)
                return changed

            return hook

        def ends(module: nn.Module, args: Any, output: Any) -> Any:
            call = open_calls.pop()
            ended.append(call)
            with self._model.stops.apart():
                changed, call.returned = _changed(output, f"{call.number} out", change)
            return changed

        handles = []
        for name, part in self._model.module.named_modules():
            handles.append(part.register_forward_pre_hook(begins(name), prepend=True, with_kwargs=True))
            handles.append(part.register_forward_hook(ends))
        try:
            if applied is None:
                yield
            else:
                with applied(open_calls):
                    yield
        finally:
            for handle in handles:
                handle.remove()
        if applied is not None:
            self.calls = ended


def _changed(value: Any, prefix: str, change: Callable[[str, Tensor], Tensor]) -> tuple[Any, list[str]]:
    leaves, spec = pytree.tree_flatten(value)
    places = []
    for index, leaf in enumerate(leaves):
        # A parameter that is handed on is no place of the call's: it is checked as itself.
        if is_differentiable(leaf) and leaf.requires_grad and not isinstance(leaf, nn.Parameter):
            places.append(f"{prefix} {index}")
            leaves[index] = change(places[-1], leaf)
    return pytree.tree_unflatten(leaves, spec), places


def _noted(calls: ModelCalls, stops: Stops) -> Callable[[list[Call]], Any]:
    """Notes every call of a custom Function, under whatever name the program calls `apply`."""

    @contextmanager
    def noting(open_calls: list[Call]) -> Iterator[None]:
        def see(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code is APPLY and open_calls:
                given = frame.f_locals
                with stops.apart():
                    args, kwargs = _plain((given["args"], given["kwargs"]))
                calls.applied.append(Applied(given["cls"], args, kwargs, open_calls[-1]))

        before = sys.getprofile()
        sys.setprofile(see)
        try:
            yield
        finally:
            sys.setprofile(before)

    return noting


def _plain(value: Any) -> Any:
    """Copies without graph, which keep whether they are differentiated."""

    def plain(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        copied = leaf.detach().clone()
        return copied.requires_grad_(leaf.requires_grad) if is_differentiable(leaf) else copied

    return pytree.tree_map(plain, value)
