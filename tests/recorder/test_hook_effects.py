"""How two gradients differ."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradscope.facts import HookEffect
from gradscope.recorder.hook_effects import change_between, is_readable

GRADIENT = torch.tensor([[1.0, -2.0], [0.0, 4.0]])


@pytest.mark.parametrize(
    ("after", "effect", "factor"),
    [
        (GRADIENT * 0.5, HookEffect.SCALED, 0.5),
        (-GRADIENT, HookEffect.SCALED, -1.0),
        (GRADIENT + 0.1, HookEffect.CHANGED, None),
        (GRADIENT.half() * 0.1, HookEffect.SCALED, 0.1),
        (GRADIENT.clamp(-1.5, 1.5), HookEffect.CLAMPED, 1.5),
        (GRADIENT * torch.tensor([1.0, 0.0]), HookEffect.CHANGED, None),
        (torch.zeros(2, 2), HookEffect.ZEROED, None),
        (GRADIENT / 0, HookEffect.NAN, None),
        (GRADIENT.clamp(1.0) / 0, HookEffect.INF, None),
    ],
)
def test_effects(after: Tensor, effect: HookEffect, factor: float | None) -> None:
    change = change_between(GRADIENT, after)
    assert change is not None
    assert change.effect is effect
    assert change.factor == (None if factor is None else pytest.approx(factor, rel=1e-3))
    assert change.before == pytest.approx(math.sqrt(21))


def test_equal_gradients_are_no_change() -> None:
    assert change_between(GRADIENT, GRADIENT.clone()) is None
    broken = GRADIENT / 0
    assert change_between(broken, broken.clone()) is None


def test_a_gradient_that_was_broken_before_is_nobodys_doing() -> None:
    assert change_between(GRADIENT / 0, GRADIENT * math.nan) is None
    change = change_between(GRADIENT * math.nan, torch.zeros(2, 2))
    assert change is not None
    assert change.effect is HookEffect.CHANGED


def test_what_can_be_read() -> None:
    assert is_readable(GRADIENT)
    assert not is_readable(None)
    assert not is_readable(torch.empty(0))
    assert not is_readable(GRADIENT.to_sparse())
    assert not is_readable(torch.empty(3, device="meta"))
