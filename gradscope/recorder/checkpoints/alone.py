"""Torch functions seen inside the backward, where the recorder's own function mode is off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

from gradscope.recorder.mode import ValueMode


class ForwardMode(TorchFunctionMode):
    """A mode of gradscope's that has no business in a recomputation that begins while it is entered."""


@contextmanager
def alone(mode: TorchFunctionMode) -> Iterator[None]:
    """Inside, torch functions are seen by this mode and by the program's own ones, although they are off.

    The recorder's mode stays out: what is recomputed belongs to no forward.
    """
    taken = []
    while torch._C._len_torch_function_stack():
        taken.append(torch._C._pop_torch_function_stack())
    for each in reversed(taken):
        if not isinstance(each, (ValueMode, ForwardMode)):
            torch._C._push_on_torch_function_stack(each)
    try:
        with torch._C._EnableTorchFunction(), mode:
            yield
    finally:
        while torch._C._len_torch_function_stack():
            torch._C._pop_torch_function_stack()
        for each in reversed(taken):
            torch._C._push_on_torch_function_stack(each)
