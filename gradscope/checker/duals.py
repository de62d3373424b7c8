"""Dual numbers, inside of a `forward_ad.dual_level`."""

from __future__ import annotations

from torch import Tensor
from torch.autograd import forward_ad


def make_dual(value: Tensor, tangent: Tensor) -> Tensor:
    """A value with a tangent of its shape."""
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]  # torch's has no types
    return dual


def unpack_dual(dual: Tensor) -> tuple[Tensor, Tensor | None]:
    """Its value, and its tangent or None where it has none."""
    value, tangent = forward_ad.unpack_dual(dual)  # type: ignore[no-untyped-call]  # torch's has no types
    return value, tangent
