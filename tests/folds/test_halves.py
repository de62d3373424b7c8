"""What float16 lost, summed over backwards and lines."""

from __future__ import annotations

from collections import Counter

from gradscope.finding import Location
from gradscope.folds.halves import Flush, HalfFold, HalfOutcome, Shortfall
from gradscope.folds.visits import Occasion, Spot

NAMES = {1: "net.weight", 2: "net.bias", 3: "net.weight"}


class At:
    """A place at a line of one file."""

    def __init__(self, line: int) -> None:
        self.line = line

    def location(self) -> Location:
        return Location("/p/train.py", self.line)


BACKWARD = At(9)


def outcome(*leaves: int, **more: object) -> HalfOutcome:
    """A backward in which these leaves lost half of their gradient."""
    lost = [Shortfall(leaf, (4, 2), "float32", 6, 3, 0.5) for leaf in leaves]
    return HalfOutcome(1.0, Counter({-26: 3}), (), lost, **more)  # type: ignore[arg-type]


def facts(fold: HalfFold):
    return fold.facts(lambda leaf: NAMES[leaf])


def folded(*outcomes: HalfOutcome, **occasion: object):
    fold = HalfFold()
    for step, one in enumerate(outcomes, 1):
        fold.add(one, Occasion(BACKWARD, step, 2, **occasion))  # type: ignore[arg-type]
    return facts(fold)


def test_backwards_that_lost_are_told_from_those_that_did_not():
    (fact,) = folded(outcome(1, 2), HalfOutcome(8.0), outcome(1))
    assert (fact.passes, fact.lossy, fact.step, fact.largest) == (3, 2, 1, 8.0)
    assert [(one.name, one.numel, one.lossy) for one in fact.leaves] == [
        ("net.weight", 8, 2),
        ("net.bias", 8, 1),
    ]
    assert fact.exponents == ((-26, 6),)
    assert fact.backward == BACKWARD.location()


def test_a_backward_with_an_infinite_gradient_is_left_out():
    (fact,) = folded(outcome(1, spoiled=True), outcome(1))
    assert (fact.passes, fact.step) == (1, 2)
    assert folded(outcome(1, spoiled=True)) == ()


def test_what_a_healthy_backward_counts_is_not_kept():
    (fact,) = folded(HalfOutcome(2.0, Counter({-26: 3}), [Flush(Spot("MulBackward0", None), 0.1, 0.1)]))
    assert fact.exponents == ()
    assert fact.sites == ()


def test_the_scale_is_that_of_the_last_backward():
    fold = HalfFold()
    for scale in (1024.0, 512.0):
        fold.add(outcome(1), Occasion(BACKWARD, 1, 2, scale=scale))
    assert facts(fold)[0].scale == 512.0


def test_one_line_reached_on_two_ways_is_one_site_and_keeps_its_worst():
    flushes = [
        Flush(Spot("ToCopyBackward0", At(7)), share, error) for share, error in ((0.2, 0.9), (0.7, 0.4))
    ]
    one = outcome(1)
    one.flushes = flushes
    (site,) = folded(one)[0].sites
    assert (site.share, site.error, site.lossy) == (0.7, 0.4, 2)


def test_leaves_that_replaced_each_other_are_one():
    (fact,) = folded(outcome(1), outcome(3))
    assert [(one.name, one.lossy) for one in fact.leaves] == [("net.weight", 2)]


def test_the_table_of_lines_is_bounded():
    fold = HalfFold()
    for line in range(1000):
        fold.add(outcome(1), Occasion(At(line), 1, 2))
    assert len(fold) == 64


def test_the_table_of_sites_is_bounded():
    one = outcome(1)
    one.flushes = [Flush(Spot("MulBackward0", At(line)), 0.5, 0.5) for line in range(1000)]
    assert len(folded(one)[0].sites) == 32
