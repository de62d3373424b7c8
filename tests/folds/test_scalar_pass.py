"""An engine's gradients beside those of the chain rule, on graphs made by hand."""

from __future__ import annotations

import math

from gradscope.folds.scalar_pass import (
    Edge,
    FaultKind,
    ScalarNode,
    ScalarPass,
    faults,
    given,
    outgoing,
    true_gradients,
)
from gradscope.folds.unzeroed import Unzeroed


def node(
    after: float, *edges: tuple[int, float | None], before: float = 0.0, constant: bool = False
) -> ScalarNode:
    return ScalarNode("op", 1.0, before, after, tuple(Edge(*edge) for edge in edges), constant)


def two_paths(leaf: float, **more: float) -> ScalarPass:
    """y = 2 * a + 3 * b; a = 5 * x, b = 7 * x: dy/dx is 31."""
    return ScalarPass([node(1, (1, 2), (2, 3)), node(2, (3, 5)), node(3, (3, 7)), node(leaf, **more)])


def test_true_gradients() -> None:
    assert true_gradients(two_paths(31), 1.0) == [1, 2, 3, 31]
    assert true_gradients(two_paths(31), 2.0) == [2, 4, 6, 62]
    unknown = ScalarPass([node(1, (1, None)), node(4, (2, 2)), node(8)])
    assert true_gradients(unknown, 1.0) == [1, None, None]


def test_right_gradients_are_no_fault() -> None:
    assert faults(two_paths(31)) == ()
    assert faults(two_paths(131, before=100)) == ()
    assert faults(two_paths(31, before=100)) == ()  # set anew
    assert faults(two_paths(31.0001)) == ()  # float32
    assert faults(two_paths(math.inf)) == ()
    assert faults(ScalarPass(two_paths(30).nodes, seed=math.nan)) == ()


def test_an_unknown_op_hides_what_is_below_it() -> None:
    assert faults(ScalarPass([node(1, (1, None)), node(4, (2, 2)), node(9)])) == ()


def test_constants_are_nobodys_concern() -> None:
    assert faults(ScalarPass([node(1, (1, 2), (2, 3)), node(2), node(0, constant=True)])) == ()


def test_one_contribution_alone() -> None:
    for left in (10, 21):
        (fault,) = faults(two_paths(left))
        assert (fault.kind, fault.index, fault.got, fault.right, fault.by) == (
            FaultKind.OVERWRITTEN, 3, left, 31, (1, 2),
        )  # fmt: skip


def test_several_uses_and_another_number() -> None:
    (fault,) = faults(two_paths(52))
    assert (fault.kind, fault.got, fault.right) == (FaultKind.OTHER, 52, 31)


def test_the_formula_of_the_one_op_on_the_way() -> None:
    (fault,) = faults(ScalarPass([node(1, (1, 2)), node(2, (2, 5)), node(7)]))
    assert (fault.kind, fault.index, fault.got, fault.right, fault.by) == (FaultKind.FORMULA, 2, 7, 10, (1,))


def test_what_is_below_a_wrong_gradient_is_not_told_again() -> None:
    (fault,) = faults(ScalarPass([node(1, (1, 2)), node(3, (2, 5)), node(15, (3, 2)), node(30)]))
    assert (fault.kind, fault.index, fault.got, fault.right) == (FaultKind.FORMULA, 1, 3, 2)


def test_stale_intermediates_explain_everything_or_nothing() -> None:
    stale = ScalarPass([node(1, (1, 2), before=1), node(4, (2, 5), before=2), node(30, before=10)])
    (fault,) = faults(stale)
    assert (fault.kind, fault.got, fault.right, fault.by) == (FaultKind.STALE, 30, 20, (1,))
    also_wrong = ScalarPass([node(1, (1, 2), before=1), node(4, (2, 5), before=2), node(37, before=10)])
    assert [each.kind for each in faults(also_wrong)] == [FaultKind.OTHER]


def test_a_root_that_adds_up() -> None:
    (fault,) = faults(ScalarPass([node(2, (1, 3), before=1), node(9, before=3)]))
    assert (fault.kind, fault.right, fault.by) == (FaultKind.STALE, 6, (0,))


def test_a_difference_of_large_numbers_is_not_exact() -> None:
    """1 - tanh(x)**2 of a float32 that is almost 1."""
    assert faults(ScalarPass([node(1, (1, 2e-7)), node(1.8e-7)])) == ()
    assert faults(ScalarPass([node(1, (1, 2e-3)), node(1.8e-3)])) != ()


def test_no_seed() -> None:
    (fault,) = faults(ScalarPass([node(0, (1, 3)), node(0)]))
    assert (fault.kind, fault.index) == (FaultKind.SEED, 1)


def test_gradients_dropped_after_the_pass() -> None:
    assert faults(ScalarPass([node(0, (1, 2)), node(0, (2, 5)), node(10)])) == ()


def test_what_was_given() -> None:
    assert given(two_paths(131, before=100)) == [1, 2, 3, 31]
    assert given(two_paths(31, before=100)) == [1, 2, 3, 31]
    assert outgoing(two_paths(31)) == [(2, 3), (10,), (21,), ()]
    unknown = ScalarPass([node(1, (1, None), (2, 1), (2, None)), node(4), node(5)])
    assert outgoing(unknown) == [(4, 1, None), (), ()]


# ---------------------------------------------------------------- updates without zeroing


def test_two_leaves_of_one_rate() -> None:
    seen = Unzeroed()
    assert seen.before({1: (1.0, 0.0), 2: (2.0, 0.0)}) == ()
    seen.after({1: (1.0, 4.0), 2: (2.0, -6.0)})
    assert seen.before({1: (0.6, 4.0), 2: (2.6, -6.0)}) == (1, 2)


def test_other_changes_of_a_value() -> None:
    seen = Unzeroed()
    seen.after({1: (1.0, 4.0), 2: (2.0, -6.0), 3: (3.0, 1.0)})
    assert seen.before({1: (0.6, 4.0), 2: (2.7, -6.0), 3: (3.0, 1.0)}) == ()
    seen.after({1: (1.0, 4.0), 2: (2.0, -6.0)})
    assert seen.before({1: (0.6, 0.0), 2: (2.6, 0.0)}) == ()


def test_one_leaf_over_two_steps_and_a_pass_that_was_not_seen() -> None:
    seen = Unzeroed()
    seen.after({1: (1.0, 4.0)})
    assert seen.before({1: (0.6, 4.0)}) == ()
    seen.after({1: (0.6, 9.0)})
    seen.forget()
    assert seen.before({1: (-0.3, 9.0)}) == ()
    seen.after({1: (-0.3, 2.0)})
    assert seen.before({1: (-0.5, 2.0)}) == ()
    seen.after({1: (-0.5, 3.0)})
    assert seen.before({1: (-0.8, 3.0)}) == (1,)
