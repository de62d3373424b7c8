"""Which calls count as unused: what waits, what a backward reaches, what nobody saw."""

from __future__ import annotations

from gradscope.folds.unused_graphs import UnusedFold


def unused(fold: UnusedFold, *, is_cut_short: bool = False) -> dict[object, int]:
    return {line: calls.unused for line, calls in fold.end(is_cut_short=is_cut_short).items()}


def test_a_call_whose_nodes_no_backward_reaches() -> None:
    fold = UnusedFold()
    fold.called("a", range(10))
    fold.called("b", range(10, 20))
    fold.backward([25, 12, 3])
    assert unused(fold) == {}
    fold.called("a", range(30, 40))
    fold.called("b", range(40, 50))
    fold.called("c", range(50, 60))
    fold.backward([40])
    assert unused(fold) == {"c": 1}  # one of several calls at the line "a" is a loop that was left


def test_several_at_a_line_that_is_used_too() -> None:
    fold = UnusedFold()
    for number in range(6):
        fold.called("a", range(10 * number, 10 * number + 10))
    fold.backward([0, 15])
    assert unused(fold) == {"a": 4}


def test_a_later_backward_may_reach_an_old_call() -> None:
    fold = UnusedFold()
    fold.called("a", range(10))
    fold.backward([100])
    fold.backward([5])
    assert unused(fold) == {}


def test_a_backward_that_nobody_looked_at_may_have_used_all() -> None:
    fold = UnusedFold()
    fold.called("a", range(10))
    fold.backward(None)
    assert unused(fold) == {}


def test_the_last_call_of_a_program_that_died_is_not_judged() -> None:
    fold = UnusedFold()
    fold.called("a", range(10))
    fold.called("b", range(10, 20))
    fold.called("b", range(20, 30))
    fold.called("b", range(30, 40))
    assert unused(fold, is_cut_short=True) == {"b": 2}
    assert unused(fold) == {"a": 1, "b": 3}


def test_what_waits_longest_is_given_up() -> None:
    fold = UnusedFold()
    for number in range(10_000):
        fold.called("a", range(number, number + 1))
    assert len(fold._waiting) < 5_000
    assert unused(fold) == {"a": 10_000}
