"""Inputs whose elements lie more than 2**31 elements apart: an index in 32 bits cannot reach them."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Reference,
    Refused,
    agree,
    evaluated,
    gradients_of,
    raises,
    reference,
    same_outputs,
)
from gradscope.checker.cases._layouts import contiguous_strides, strided
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.facts.checks import Facts

NAME = "64-bit strides"
_REACH = 2**31
_NORESERVE = 0x4000  # Linux's MAP_NORESERVE, which the mmap module names only from Python 3.13 on
_LARGEST_BYTES = 4096
_ROOM_BYTES = 2**29


@case(NAME, 60)
def wide_strides(setting: Setting) -> Facts:
    """The first input with its rows far apart, in memory that is reserved and never touched."""
    if sys.platform != "linux":
        return not_applicable(NAME, "memory can only be reserved without using it on Linux")
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    point = base.point
    chosen = next((index for index in point.active if _fits(point.leaves[index])), None)
    if chosen is None:
        return not_applicable(NAME, "no small input has two rows")
    try:
        mapped = _reserved(point.leaves[chosen])
    except (OSError, ValueError, OverflowError) as error:
        return not_applicable(NAME, f"the address space cannot be reserved: {error}")
    with _no_large_copies():
        return _looked(setting, base, chosen, mapped)


def _looked(setting: Setting, base: Reference, chosen: int, mapped: mmap.mmap) -> Facts:
    point = base.point
    name = point.names[chosen]
    condition = f"only where `{name}` has strides beyond 2**31"

    def give(index: int, tensor: Tensor) -> Tensor:
        return _far(tensor, mapped) if index == chosen else tensor.clone()

    def near(index: int, tensor: Tensor) -> Tensor:
        apart = strided(tensor) if index == chosen else None
        return tensor.clone() if apart is None else apart

    try:
        done = evaluated(point, near)
        if not agree(done.gradients([one.clone() for one in base.cotangents]), base.gradients):
            return not_checked(NAME, "no layout but a contiguous one is right")
        done = evaluated(point, give)
        if not same_outputs(done.values, base.values, point, None):
            if base.random:
                return not_checked(NAME, "forward draws random numbers, whose order follows the layout")
            note = f"forward returns other values where `{name}` has strides beyond 2**31"
            return Facts(failed(NAME, note), notes=(note,))
        if agree(done.gradients([one.clone() for one in base.cotangents]), base.gradients):
            return passed(NAME, f"`{name}`")
        wrong = wrong_gradient(
            setting, Truth(point), gradients_of(point, give), base.cotangents, condition=condition
        )
    except Refused as error:
        return passed(NAME, f"forward refuses them: {error}")
    except BackwardRaised as error:
        if "memory" in str(error):
            return not_applicable(NAME, "it copies its inputs with their strides")
        return Facts(failed(NAME, "backward raises"), wrong_returns=(raises(error, condition),))
    return passed(NAME) if wrong is None else Facts(failed(NAME, f"`{name}`"), wrong_gradients=(wrong,))


def _fits(tensor: Tensor) -> bool:
    small = tensor.numel() * tensor.element_size() <= _LARGEST_BYTES
    is_here = tensor.device.type == "cpu"  # the memory that is mapped is the CPU's
    return is_here and tensor.dim() > 0 and tensor.shape[0] > 1 and tensor.numel() > 1 and small


def _row_stride(tensor: Tensor) -> int:
    return max(contiguous_strides(tensor.shape)[0], _REACH // (tensor.shape[0] - 1) + 8)


def _reserved(tensor: Tensor) -> mmap.mmap:
    elements = _row_stride(tensor) * (tensor.shape[0] - 1) + contiguous_strides(tensor.shape)[0]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    return mmap.mmap(-1, elements * tensor.element_size(), flags=flags)


@contextmanager
def _no_large_copies() -> Iterator[None]:
    """Allocations beyond `_ROOM_BYTES` fail: a copy that keeps the strides would touch all of the memory."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + _ROOM_BYTES
    soft = most if before[0] == resource.RLIM_INFINITY else min(most, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _far(tensor: Tensor, mapped: mmap.mmap) -> Tensor:
    """A copy of a tensor in the mapped memory, which only its own elements touch."""
    whole = torch.frombuffer(mapped, dtype=tensor.dtype)
    strides = [_row_stride(tensor), *contiguous_strides(tensor.shape)[1:]]
    empty = torch.empty(0, dtype=tensor.dtype, device="cpu")
    far = empty.set_(whole.untyped_storage(), 0, tuple(tensor.shape), strides)
    return far.copy_(tensor)
