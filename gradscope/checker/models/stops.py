"""Where a model stops gradients on purpose, and how such a value is held still while it is measured.

`x + (q - x).detach()`, a target under `no_grad`, a scale read with `.item()`: backward takes these values
for constants. So does a numerical derivative, if every evaluation uses the values of the first one. What
then still differs is a backward that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

APPLY = Function.apply.__func__.__code__  # type: ignore[attr-defined]  # a classmethod has __func__
"""The code that runs for every call of a custom Function, under whatever name the program calls it."""

_READS = ("detach", "item", "tolist", "numpy", "__float__", "__array__")


class Stops:
    """The values that a forward took out of the graph, in order: noted in one evaluation, given in others.

    `is_holding` False lets them move with the parameters again. `count` is how many there were.
    """

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._next = 0
        self._is_noting = True
        self._is_apart = False
        self.is_holding = True

    @property
    def count(self) -> int:
        """How many values were taken out of the graph in the evaluation that was noted."""
        return len(self._values)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """The evaluation at the point itself."""
        self._values.clear()
        self._is_noting = True
        with _seeing(self):
            yield

    @contextmanager
    def giving(self) -> Iterator[None]:
        """An evaluation near the point, with the values that were noted."""
        self._next, self._is_noting = 0, False
        if not self._values or not self.is_holding:
            yield
            return
        with _seeing(self):
            yield

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Our own code inside an evaluation: nothing that it reads counts."""
        self._is_apart = True
        try:
            yield
        finally:
            self._is_apart = False

    def held(self, value: Any) -> Any:
        """A value that leaves the graph: itself when noting, else the one noted in its place."""
        if self._is_apart:
            return value
        if self._is_noting:
            self._values.append(_kept(value))
            return value
        if self._next >= len(self._values):  # the forward took another way: nothing to hold it to
            return value
        noted = self._values[self._next]
        self._next += 1
        return _kept(noted) if _is_like(noted, value) else value


def _kept(value: Any) -> Any:
    if isinstance(value, Tensor):
        with torch._C.DisableTorchFunction(), torch.no_grad():
            return value.clone()
    return value.copy() if hasattr(value, "copy") else value


def _is_like(noted: Any, value: Any) -> bool:
    if isinstance(noted, Tensor) and isinstance(value, Tensor):
        return noted.shape == value.shape and noted.dtype == value.dtype
    return type(noted) is type(value)


@contextmanager
def _seeing(stops: Stops) -> Iterator[None]:
    # Attributes of the Python class hide those of its C base, for torch.nn.functional's own code as well.
    replaced: Mapping[str, Any] = {name: _reading(stops, name) for name in _READS} | {"data": _data(stops)}
    before = {name: vars(Tensor)[name] for name in replaced if name in vars(Tensor)}
    for name, method in replaced.items():
        setattr(Tensor, name, method)
    try:
        with _WithoutGraph(stops):
            yield
    finally:
        for name in replaced:
            if name in before:
                setattr(Tensor, name, before[name])
            else:
                delattr(Tensor, name)


def _reading(stops: Stops, name: str) -> Callable[..., Any]:
    original = getattr(Tensor, name)

    def read(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        value = original(tensor, *args, **kwargs)
        return stops.held(value) if _counts(tensor) else value

    return read


def _data(stops: Stops) -> property:
    # vars() of the C base: looked up as an attribute it would be read instead.
    original = vars(torch._C.TensorBase)["data"]

    def read(tensor: Tensor) -> Any:
        value = original.__get__(tensor)
        return stops.held(value) if _counts(tensor) else value

    return property(read, original.__set__, original.__delete__)


def _counts(tensor: Tensor) -> bool:
    return tensor.requires_grad and not _inside_function()


class _WithoutGraph(TorchFunctionMode):
    """Holds what is computed from the graph's tensors under `no_grad`."""

    def __init__(self, stops: Stops) -> None:
        super().__init__()
        self._stops = stops

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        value = func(*args, **(kwargs or {}))
        if torch.is_grad_enabled() or not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        given = [*args, *(kwargs or {}).values()]
        tensors = [one for one in given if isinstance(one, Tensor)]
        if not any(tensor.requires_grad for tensor in tensors) or _inside_function():
            return value
        held = self._stops.held(value)
        if held is not value and any(value is tensor for tensor in tensors):
            with torch._C.DisableTorchFunction():
                return value.copy_(held)
        return held


def _inside_function() -> bool:
    """Whether a custom Function's forward is running: its ops are the derivative's own business."""
    import sys

    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is APPLY:
            return True
        frame = frame.f_back
    return False
