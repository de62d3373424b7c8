"""How far a gradient in another dtype or on another device is from float64 on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.cases._forms import BackwardRaised, Evaluation, Reference, Refused, evaluated, raises
from gradscope.checker.cases._native import native
from gradscope.checker.cases._values import norm
from gradscope.checker.point import Point
from gradscope.checker.raised import raised
from gradscope.facts.checks import Deviation, SubjectKind, WrongReturn
from gradscope.recorder.stats import dtype_name

_OVER_NATIVE = 4.0
_ALONE = 100.0
"""Without a native gradient to compare with: how many times the error that rounding the inputs makes."""
_OTHER_VALUES = 0.25
_TENSOR_FLOAT = 2.0**-10
_WITH_BACKWARD = (SubjectKind.FUNCTION, SubjectKind.CUSTOM_OP)
_UNSUPPORTED = ("not implemented for", "not supported", "unsupported", "doesn't support", "does not support")


@dataclass(frozen=True, slots=True)
class Precision:
    """One deviation for each differentiable input; or why there is none, or what backward raised."""

    dtype: torch.dtype
    deviations: tuple[Deviation, ...] = ()
    why_not: str = ""
    raised: WrongReturn | None = None

    @property
    def name(self) -> str:
        """ "float32"."""
        return dtype_name(self.dtype)


def precision(base: Reference, dtype: torch.dtype, device: torch.device) -> Precision:
    """The gradients at the reference's point, rounded to the dtype, against float64 at the rounded point."""
    name = dtype_name(dtype)
    where = f"where the inputs are {name}" + ("" if device.type == "cpu" else f" on {device.type}")
    if dtype.itemsize < 4 and any(tensor.is_complex() for tensor in base.point.tensors):
        return Precision(dtype, why_not="complex numbers have no such precision")
    try:
        moved = base.point.to(dtype, device)
        exact = moved.to(torch.float64, "cpu")
        truth, done = evaluated(exact), evaluated(moved)
        _wait_for(device)
    except Refused as error:
        return Precision(dtype, why_not=f"forward refuses it: {error}")
    except RuntimeError as error:  # no memory there, or a kernel that failed after forward had returned
        return Precision(dtype, why_not=f"{device.type}: {raised(error)}")
    cotangents = [
        given.to(output.device, output.dtype)
        for given, output in zip(base.cotangents, done.outputs, strict=True)
    ]
    back = [one.to("cpu", value.dtype) for one, value in zip(cotangents, truth.values, strict=True)]
    try:
        right = truth.gradients(back)
    except BackwardRaised as error:
        return Precision(dtype, why_not=str(error))
    pairs = zip(done.values, truth.values, strict=True)
    if any(_error(one, other) > _OTHER_VALUES for one, other in pairs):
        return Precision(dtype, why_not="the outputs themselves are others in it")
    if not all(_fits(each, dtype) for each in (*truth.values, *right)):
        return Precision(dtype, why_not="values or gradients overflow it")
    try:
        found = done.gradients([one.clone() for one in cotangents])
        _wait_for(device)
    except RuntimeError as error:
        return Precision(dtype, why_not=f"{device.type}: {raised(error)}")
    except BackwardRaised as error:
        if any(words in str(error).lower() for words in _UNSUPPORTED):
            return Precision(dtype, why_not=f"backward does not support it: {error}")
        return Precision(dtype, raised=raises(error, f"only {where}"))
    floors = _floors(exact, _rounding(dtype, device), back, right)
    other = _native(base, dtype, device, cotangents, right)
    rows = []
    for number, (ours, expected) in enumerate(zip(found, right, strict=True)):
        relative, plain = _error(ours, expected), other[number] if other is not None else None
        judged = plain is not None or (
            base.point.subject.kind in _WITH_BACKWARD
            and _is_sizeable(expected, exact.tensors[number], truth, back, dtype)
        )
        excessive = judged and not relative <= _limit(plain, floors[number])
        rows.append(Deviation(name, str(device), base.point.name(number), relative, plain, excessive))
    return Precision(dtype, tuple(rows))


def _wait_for(device: torch.device) -> None:
    """Waits for the device's kernels: what fails in one is raised here, and not at some later op."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rounding(dtype: torch.dtype, device: torch.device) -> float:
    """The relative rounding of what is computed in a dtype: on a GPU, convolutions (and products of matrices,
    where the program allows it) round float32 to TensorFloat-32.
    """
    eps = torch.finfo(dtype).eps
    return max(eps, _TENSOR_FLOAT) if device.type == "cuda" and dtype is torch.float32 else eps


def _limit(native_error: float | None, floor: float) -> float:
    if native_error is None:
        return _ALONE * floor
    return _OVER_NATIVE * max(native_error, floor)


def _is_sizeable(
    gradient: Tensor, value: Tensor, truth: Evaluation, cotangents: Sequence[Tensor], dtype: torch.dtype
) -> bool:
    """Whether a gradient is no remainder of a cancellation, such as that of a constant."""
    outputs = math.hypot(*(norm(one) for one in truth.values))
    usual = math.hypot(*(norm(one) for one in cotangents)) * outputs / (norm(value) or 1.0)
    return norm(gradient) > 30 * torch.finfo(dtype).eps * usual


def _fits(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether a dtype can hold these values, with room for what is computed on the way to them."""
    if not tensor.numel():
        return True
    return bool(torch.isfinite(tensor).all()) and float(tensor.abs().max()) < torch.finfo(dtype).max / 64


def _error(ours: Tensor, right: Tensor) -> float:
    """Relative to the right one, 2-norms; absolute where it is zero."""
    wide = torch.complex128 if right.is_complex() else torch.float64
    difference = ours.to("cpu", wide) - right.to(wide)
    error = float(torch.linalg.vector_norm(difference))
    size = float(torch.linalg.vector_norm(right))
    return math.inf if math.isnan(error) else error / size if size else error


def _floors(exact: Point, eps: float, cotangents: Sequence[Tensor], right: Sequence[Tensor]) -> list[float]:
    """The error that rounding the inputs by `eps` once more would make, at least twice that itself."""
    floors = [2 * eps for _ in right]
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        changed = {}
        for index in exact.active:
            value = exact.leaves[index]
            signs = torch.randint(0, 2, value.shape, generator=generator, device="cpu") * 2 - 1
            changed[index] = value * (1 + eps * signs)
        try:
            near = evaluated(exact.with_leaves(changed)).gradients([one.clone() for one in cotangents])
        except (Refused, BackwardRaised):
            return [math.inf for _ in right]
        floors = [
            max(floor, _error(one, other)) for floor, one, other in zip(floors, near, right, strict=True)
        ]
    return floors


def _native(
    base: Reference,
    dtype: torch.dtype,
    device: torch.device,
    cotangents: Sequence[Tensor],
    right: Sequence[Tensor],
) -> list[float] | None:
    """The errors of autograd's own gradient, None where there is none."""
    point = native(base)
    if point is None:
        return None
    try:
        found = evaluated(point.to(dtype, device)).gradients([one.clone() for one in cotangents])
    except (Refused, BackwardRaised):
        return None
    return [_error(ours, expected) for ours, expected in zip(found, right, strict=True)]
