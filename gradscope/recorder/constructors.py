"""Ways into torch that do not go through `__torch_function__`: they are wrapped one by one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing, Value, is_copy_of_leaf
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches, named_like
from gradscope.recorder.places import here
from gradscope.recorder.specials import Specials
from gradscope.recorder.values import TensorValues


class Constructors:
    """`nn.Parameter(x)` and `torch.from_numpy(a)`."""

    def __init__(self, now: Now, values: TensorValues, specials: Specials) -> None:
        self._now = now
        self._values = values
        self._specials = specials

    def install(self, patches: Patches) -> None:
        """Wraps both; what they return is what they would return."""
        self._wrap_parameter(patches)
        self._wrap_from_numpy(patches)

    def _wrap_parameter(self, patches: Patches) -> None:
        new_parameter, watch = nn.Parameter.__new__, self

        def __new__(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:  # noqa: N807  it stands in for one
            parameter = new_parameter(cls, data, requires_grad)
            watch._now.guarded("a new parameter", watch._parameter_made, parameter, data)
            return parameter

        patches.replace(nn.Parameter, "__new__", staticmethod(__new__))

    def _wrap_from_numpy(self, patches: Patches) -> None:
        from_numpy, watch = torch.from_numpy, self

        def from_array(array: Any) -> Tensor:
            with torch._C.DisableTorchFunction():
                tensor = from_numpy(array)
            entered = watch._specials.entered
            watch._now.guarded("from_numpy", entered, "from_numpy", (array,), {}, tensor, here(1))
            return tensor

        patches.replace(torch, "from_numpy", named_like(from_numpy, from_array))

    def _parameter_made(self, parameter: Tensor, data: Any) -> None:
        value = self._values.peek(data) if isinstance(data, Tensor) else None
        if value is not None and parameter is not data and not is_copy_of_leaf(value):
            cut = Severing(CutKind.NEW_PARAMETER) if value.requires_grad else None
            new = Value("Parameter", (value,), here(3), True, self._now.epoch, leaf=id(parameter), cut=cut)
            self._values.set(parameter, new)
