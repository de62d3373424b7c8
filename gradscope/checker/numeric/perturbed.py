"""How far the rounding of each operation inside a forward moves its outputs: every number that torch
computes is changed a little, and the outputs' changes are scaled down to the size of a rounding error.

Differences over tiny steps do not show the rounding of what cancels: 1 + erf(x) far out is the same number
over many of them, and wrong by as much as it is large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

_CHANGE = 2.0**-30
_ROUNDING = 2.0**-53
_ROWS = 2
_EXACT = (torch.float64, torch.complex128)


def responses(forward: Callable[[], Tensor], here: Tensor) -> Tensor:
    """The outputs' rounding errors in several trials, one row each; zeros where forward cannot be changed."""
    rows = []
    for seed in range(_ROWS):
        with _Perturbed(torch.Generator().manual_seed(seed)):
            rows.append((forward() - here) * (_ROUNDING / _CHANGE))
    return torch.nan_to_num(torch.stack(rows), nan=0.0, posinf=0.0, neginf=0.0)


class _Perturbed(TorchFunctionMode):
    """Multiplies each float64 number that a call of torch's computes by 1 and up to 2^-30 more or less.

    Views and what is computed in place are left as they are: they share memory with something else.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if not self._is_new(made, args, kwargs):
            return made
        random = torch.rand(made.shape, generator=self._generator, dtype=torch.float64, device="cpu") * 2 - 1
        return made * (1 + _CHANGE * random.to(made.device))

    def _is_new(self, made: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether it is a plain tensor in float64 with memory of its own."""
        if type(made) is not Tensor or made.dtype not in _EXACT or made.layout is not torch.strided:
            return False
        if made.device.type == "meta" or torch._C._functorch.is_functorch_wrapped_tensor(made):
            return False
        given = [one for one in pytree.tree_leaves((tuple(args), kwargs)) if type(one) is Tensor]
        dense = [one for one in given if one.layout is torch.strided]
        memory = made.untyped_storage().data_ptr()
        return all(one.untyped_storage().data_ptr() != memory for one in dense)
