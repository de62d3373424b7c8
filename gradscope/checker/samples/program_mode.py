"""Every torch function of a program, while something that it does to tensors is being followed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradscope.checker.samples.double_use import DoubleUse
from gradscope.checker.samples.held_tensors import HeldTensors
from gradscope.recorder.now import Now
from gradscope.recorder.values import tensors_in


class ProgramMode(TorchFunctionMode):
    """Sees every torch function of the program; looks only while something is being followed."""

    def __init__(self, now: Now, held: HeldTensors, double: DoubleUse) -> None:
        super().__init__()
        self._now, self._held, self._double = now, held, double

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        looks = not self._held.is_empty and _may_write(func, args, kwargs)
        if looks:
            self._now.guarded("an op", self._held.op_begins)
        output = func(*args, **kwargs) if kwargs else func(*args)
        if looks:
            self._now.guarded("an op", self._held.op_ran, sys._getframe(1))
        if self._double.follows_values:
            self._now.guarded("an op", self._followed, func, args, kwargs or {}, output)
        return output

    def _followed(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> None:
        name = getattr(func, "__name__", "")
        if name == "__get__" and getattr(func, "__self__", None) is not None:
            name = getattr(func.__self__, "__name__", "")
            if name in _NOT_VALUES:
                return
        outputs = tensors_in(output)
        writes = name.endswith("_") and not name.endswith("__")
        if args and isinstance(args[0], Tensor) and (writes or name in ("__setitem__", "__set__")):
            outputs.append(args[0])
        self._double.computed(name, [*tensors_in(args), *tensors_in(kwargs)], outputs)


_NOT_VALUES = frozenset(["data", "grad", "grad_fn", "shape", "dtype", "device", "requires_grad"])


def _may_write(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> bool:
    """Whether a function may change an argument: by its name, or by a flag like `inplace` or `out`."""
    name = getattr(func, "__name__", "_")
    if name.endswith("_"):  # also __setitem__, __iadd__, __set__
        return name != "__get__"
    return bool(kwargs) or any(argument is True for argument in args)


class OpaqueRegions:
    """What `Regions` tells of a region that the mode cannot look into: it is one op."""

    def __init__(self, double: DoubleUse) -> None:
        self._double = double

    def opaque(self, op: str, inputs: Sequence[Tensor], output: Any, *_: object) -> None:
        """A region was run."""
        if self._double.follows_values:
            self._double.computed(op, inputs, tensors_in(output))
