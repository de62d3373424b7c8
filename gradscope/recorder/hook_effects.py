"""What a hook did to a gradient, told from a copy of it before and from what was there after."""

from __future__ import annotations

import torch
from torch import Tensor

from gradscope.facts import HookChange, HookEffect
from gradscope.folds.visits import Content
from gradscope.recorder.stats import PLAIN, content

_MOST_ELEMENTS = 1 << 22  # of a gradient that is copied
_TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2}
_MADE = {Content.ZERO: HookEffect.ZEROED, Content.NAN: HookEffect.NAN, Content.INF: HookEffect.INF}


def is_readable(gradient: object) -> bool:
    """Whether a gradient is a plain dense tensor, small enough to be copied."""
    return (
        type(gradient) in PLAIN
        and isinstance(gradient, Tensor)
        and gradient.layout is torch.strided
        and gradient.device.type != "meta"
        and 0 < gradient.numel() <= _MOST_ELEMENTS
    )


def change_between(before: Tensor, after: Tensor) -> HookChange | None:
    """How `after` differs from `before`, None where it does not. Both are `is_readable`."""
    before, after = before.detach(), after.detach()
    alike = before.shape == after.shape and before.device == after.device
    if alike and _equal(before, after):
        return None
    old, new = content(before), content(after)
    if not (old.is_finite or new.is_finite):
        return None  # it was broken before
    effect, factor = HookEffect.CHANGED, None
    if old.is_finite and new is not old and new in _MADE:
        effect = _MADE[new]
    elif alike and old is new is Content.NONZERO and not before.is_complex():
        effect, factor = _how(before, after)
    return HookChange(effect, 1, _norm(before), _norm(after), factor)


def _equal(before: Tensor, after: Tensor) -> bool:
    return bool(((before == after) | ((before != before) & (after != after))).all())


def _norm(tensor: Tensor) -> float:
    return float(
        torch.linalg.vector_norm(tensor.to(torch.complex128 if tensor.is_complex() else torch.float64))
    )


def _how(before: Tensor, after: Tensor) -> tuple[HookEffect, float | None]:
    """Whether all elements were multiplied by one number, or limited to one magnitude."""
    tolerance = max(_TOLERANCE.get(t.dtype, 1e-5) for t in (before, after))
    old, new = before.double(), after.double()
    factor = float((old * new).sum() / (old * old).sum())
    off = float((new - factor * old).abs().max())
    if off <= tolerance * float(new.abs().max()):
        return HookEffect.SCALED, factor
    limit = float(new.abs().max())
    if limit < float(old.abs().max()) and bool((new == old.clamp(-limit, limit)).all()):
        return HookEffect.CLAMPED, limit
    return HookEffect.CHANGED, None
