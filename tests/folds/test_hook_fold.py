"""What hooks did, folded by line and function."""

from __future__ import annotations

from gradscope.facts import HookChange, HookEffect, HookKind
from gradscope.folds.hooks import HookFold, HookKey


def key(number: int) -> HookKey:
    return HookKey(HookKind.TENSOR, f"hook{number}", None, None)


def test_changes_are_counted_and_the_first_is_kept() -> None:
    fold = HookFold()
    fold.saw(key(0), 1, 1, HookChange(HookEffect.SCALED, 1, 4.0, 2.0, 0.5))
    fold.saw(key(0), 2, 1, HookChange(HookEffect.SCALED, 1, 9.0, 3.0, 0.3))
    fold.saw(key(0), 1, 2, HookChange(HookEffect.NAN, 1, 1.0, 0.0))
    fold.saw(key(0), 1, 3, None)
    (hook,) = fold.facts({1: "a.weight", 2: "b.weight"}.__getitem__)
    assert hook.on == ("a.weight", "b.weight")
    assert (hook.gradients, hook.backwards, hook.changed) == (4, 3, 3)
    assert hook.changes == (
        HookChange(HookEffect.SCALED, 2, 4.0, 2.0, 0.5),
        HookChange(HookEffect.NAN, 1, 1.0, 0.0),
    )


def test_names_may_be_given_or_unknown() -> None:
    fold = HookFold()
    fold.saw(key(0), "h", 1, None)
    fold.saw(key(0), "", 1, None)
    (hook,) = fold.facts(str)
    assert hook.on == ("h",)


def test_memory_is_bounded() -> None:
    fold = HookFold()
    for number in range(1000):
        fold.saw(key(number), number, number, None)
    for leaf in range(1000):
        fold.saw(key(0), leaf, leaf, None)
    assert len(fold) == 256
    assert len(fold.facts(str)[0].on) == 64
