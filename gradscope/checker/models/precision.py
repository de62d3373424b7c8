"""A model that lowers its own precision (`.float()` in a loss): for its check it computes in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from gradscope.finding import Location
from gradscope.recorder.places import here

_LOWER = (torch.float32, torch.float16, torch.bfloat16)
_FACTORIES = frozenset(
    {"zeros", "ones", "empty", "full", "arange", "linspace", "eye", "rand", "randn", "scalar_tensor"}
)


class Lifted(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own __init_subclass__
    """Casts of float64 tensors to less, and new tensors of less, become float64.

    `places` are the lines that cast, `is_needed` says whether anything was changed at all; `is_exact` is
    False where an op returned less from float64 all the same. An op out of this mode's reach (C++, a
    compiled region) is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types for it
        self.places: dict[Location, None] = {}
        self.is_needed = False
        self.is_looking = True  # for losses, in the first evaluation: it takes as long as the op itself
        self.is_exact = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        name = func.overloadpacket.__name__
        if given.get("dtype") in _LOWER:
            if name == "_to_copy" and args and _is_double(args[0]):
                given["dtype"] = torch.float64
                self._note()
                self.is_needed = True
            elif name in _FACTORIES or name.startswith(("new_", "empty_", "zeros_like", "ones_like")):
                given["dtype"] = torch.float64
                self.is_needed = True
        value = func(*args, **given)
        if self.is_looking and self.is_exact and _lost(args, value):
            self.is_exact = False
            self._note()
        return value

    def _note(self) -> None:
        where = here().location()
        if where is not None:
            self.places.setdefault(where)


def _is_double(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype is torch.float64


def _lost(args: tuple[Any, ...], value: Any) -> bool:
    """Whether an op made float32 or less of float64."""
    found = [one for one in pytree.tree_leaves(value) if isinstance(one, Tensor)]
    if not any(one.dtype in _LOWER and one.numel() for one in found):
        return False
    return any(_is_double(one) for one in pytree.tree_leaves(args))
