"""Tensors that leave through pickle (`torch.save`, `pickle.dumps`) and come back as new ones.

Only those that carry a history of ops are remembered, by shape, dtype and first elements: a model's own
parameters, which a checkpoint saves and loads, start afresh.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch._utils
import torch._weights_only_unpickler
from torch import Tensor

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing, Value, is_copy_of_leaf
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches, named_like
from gradscope.recorder.places import Loc, here
from gradscope.recorder.values import TensorValues, is_leaf, is_plain, requires_grad

_MOST = 64
_FIRST_ELEMENTS = 16


class Pickles:
    """What was pickled lately, and the tensors rebuilt from it."""

    def __init__(self, now: Now, values: TensorValues) -> None:
        self._now = now
        self._values = values
        self._left: OrderedDict[Any, Value] = OrderedDict()

    def install(self, patches: Patches) -> None:
        """Wraps what takes a tensor apart, and what every pickled tensor names as its way back."""
        take_apart: Callable[..., Any] = torch.Tensor._reduce_ex_internal
        rebuild_tensor: Callable[..., Tensor] = torch._utils._rebuild_tensor_v2

        def reduce(tensor: Tensor, proto: Any) -> Any:
            self._now.guarded("a pickled tensor", self._leave, tensor)
            return take_apart(tensor, proto)

        def rebuild(*args: Any, **kwargs: Any) -> Tensor:
            tensor = rebuild_tensor(*args, **kwargs)
            if self._left:
                self._now.guarded("an unpickled tensor", self._came_back, tensor, here(1))
            return tensor

        patches.replace(torch.Tensor, "_reduce_ex_internal", named_like(take_apart, reduce))
        patches.replace(torch._utils, "_rebuild_tensor_v2", named_like(rebuild_tensor, rebuild))
        _forget_known_functions()
        patches.finally_do(self._left.clear)
        patches.finally_do(_forget_known_functions)

    def tick(self, epoch: int) -> None:
        """Forgets what was pickled two epochs ago."""
        for key in [key for key, value in self._left.items() if value.epoch < epoch - 1]:
            del self._left[key]

    def _leave(self, tensor: Tensor) -> None:
        value = self._values.get(tensor)
        if value is not None and not is_copy_of_leaf(value) and is_plain(tensor):
            self._left[_content(tensor)] = value
            if len(self._left) > _MOST:
                self._left.popitem(last=False)

    def _came_back(self, tensor: Tensor, loc: Loc) -> None:
        value = self._left.get(_content(tensor)) if is_plain(tensor) else None
        if value is None:
            return
        grad = requires_grad(tensor)
        cut = Severing(CutKind.NEW_TENSOR) if value.requires_grad else None
        leaf = id(tensor) if grad and is_leaf(tensor) else None
        self._values.set(tensor, Value("load", (value,), loc, grad, self._now.epoch, leaf=leaf, cut=cut))


def _forget_known_functions() -> None:
    """`torch.load(weights_only=True)` keeps the functions it may call from its first call on."""
    known = getattr(torch._weights_only_unpickler, "_get_allowed_globals", None)
    forget = getattr(known, "cache_clear", None)
    if forget is not None:
        forget()


def _content(tensor: Tensor) -> tuple[Any, ...]:
    first = tensor.detach().flatten()[:_FIRST_ELEMENTS].tolist()
    return tuple(tensor.shape), tensor.dtype, repr(first)
