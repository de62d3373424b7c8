"""What ops on fake tensors returned before: a model repeats the same ops on the same shapes in every layer.

Torch remembers it too, but finds and makes an output at half this speed. What is not covered here is torch's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager

_PLAIN: Final = frozenset(
    {int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format}
)
_MUTABLE: Final[dict[Any, bool]] = {}


@dataclass(frozen=True, slots=True)
class _Output:
    """One tensor, which shares the memory of tensor argument number `view_of`, None where it is new."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    offset: int
    view_of: int | None


class KnownOutputs:
    """By op and arguments, the outputs of ops that return one tensor and change none."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], _Output] = {}

    def key(
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], list[FakeTensor]] | None:
        """What the output depends on, and the tensors among the arguments; None where that is not all."""
        mutable = _MUTABLE.get(func)
        if mutable is None:
            mutable = _MUTABLE[func] = not isinstance(func, torch._ops.OpOverload) or func._schema.is_mutable
        if mutable:
            return None
        parts: list[Any] = [func, torch.is_inference_mode_enabled()]
        tensors: list[FakeTensor] = []
        if not _describe(args, parts, tensors):
            return None
        for name, value in kwargs.items():
            parts.append(name)
            if not _describe((value,), parts, tensors):
                return None
        return (tuple(parts), tensors) if tensors else None

    def output(self, mode: FakeTensorMode, key: tuple[Any, ...], tensors: list[FakeTensor]) -> Tensor | None:
        """A new tensor like the one that was returned before; None where nothing is known."""
        known = self._known.get(key)
        if known is None:
            return None
        with in_kernel_invocation_manager(mode):
            made = torch.empty_strided(known.shape, known.stride, dtype=known.dtype, device="meta")
        if known.view_of is not None:
            storage = tensors[known.view_of].untyped_storage()
            with in_kernel_invocation_manager(mode):
                made.set_(storage, known.offset, known.shape, known.stride)
        return FakeTensor(mode, made, known.device)

    def note(self, key: tuple[Any, ...], tensors: list[FakeTensor], output: Any) -> None:
        """Remembers what an op returned, where it is a tensor like any other."""
        if type(output) is not FakeTensor or output.constant is not None or _is_odd(output):
            return
        if any(output is each for each in tensors):
            return
        storage = output.untyped_storage()
        shared = [n for n, each in enumerate(tensors) if each.untyped_storage()._cdata == storage._cdata]
        if not shared and storage.nbytes() != _nbytes(output):
            return
        self._known[key] = _Output(
            tuple(output.shape),
            output.stride(),
            output.dtype,
            output.fake_device,
            int(output.storage_offset()),
            shared[0] if shared else None,
        )


def _describe(values: tuple[Any, ...] | list[Any], parts: list[Any], tensors: list[FakeTensor]) -> bool:
    for value in values:
        kind = type(value)
        if kind is FakeTensor:
            if value.constant is not None or _is_odd(value):
                return False
            tensors.append(value)
            parts += (value.dtype, value.shape, value.stride(), value.storage_offset(), value.fake_device)
        elif kind in _PLAIN:
            parts += (kind, value)
        elif kind is list or kind is tuple:
            parts += (kind, len(value))
            if not _describe(value, parts, tensors):
                return False
        else:
            return False
    return True


def _is_odd(tensor: FakeTensor) -> bool:
    return (
        tensor.layout is not torch.strided
        or tensor.is_conj()
        or tensor.is_neg()
        or tensor.pytype is not None
        or tensor.is_inference()
    )


def _nbytes(tensor: Tensor) -> int:
    """What a storage of its own has: up to its last element."""
    if not tensor.numel():
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return int(tensor.storage_offset() + last + 1) * tensor.element_size()
