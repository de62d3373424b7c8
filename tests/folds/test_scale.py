"""The profile fold and the growth fold on hand-made norms."""

from __future__ import annotations

import math

import pytest

from gradscope.finding import Location
from gradscope.folds.scale import GrowthFold, Layer, ProfileFold


class Line:
    """A place."""

    caller = None

    def location(self) -> Location:
        return Location("train.py", 7)


LINE = Line()


def layer(depth: int, *arriving: float) -> Layer:
    return Layer(depth, "AddmmBackward0", LINE, arriving)


def _profile(fold: ProfileFold) -> list[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    fact = fold.fact(LINE, lambda key: (f"w{key}", 4))
    return [(one.leaf, one.rms, one.arriving) for one in fact.layers]


def _add(fold: ProfileFold, number: int, **norms: float) -> None:
    if fold.counted():
        fold.keep(number, [(int(name[1:]), norm) for name, norm in norms.items()])


def test_norms_become_root_mean_squares_the_deepest_layer_first() -> None:
    fold = ProfileFold()
    fold.look({1: layer(1, 8.0), 2: layer(2, 4.0)})
    _add(fold, 1, w1=2.0, w2=6.0, w3=1.0)  # w3 is no layer
    assert _profile(fold) == [("w2", (3.0,), (4.0,)), ("w1", (1.0,), (8.0,))]


def test_a_backward_that_gave_a_layer_nothing_is_nan() -> None:
    fold = ProfileFold()
    fold.look({1: layer(1), 2: layer(2)})
    _add(fold, 1, w1=2.0)
    ((_, rms, _), _) = _profile(fold)
    assert math.isnan(rms[0])


def test_what_arrives_is_the_median_of_finite_looks_with_as_many_uses() -> None:
    fold = ProfileFold()
    for arriving in ((1.0,), (2.0, 20.0), (math.inf, 1.0), (4.0, 40.0), (6.0, 90.0)):
        fold.look({1: layer(2, *arriving)})
    assert _profile(fold)[0][2] == (4.0, 40.0)


def test_rows_are_bounded_on_a_long_run() -> None:
    fold = ProfileFold()
    fold.look({1: layer(1)})
    for number in range(1, 100_001):
        _add(fold, number, w1=1.0)
    kept = fold.fact(LINE, lambda key: ("w", 1)).kept
    assert kept[:17] == (*range(1, 17), 32)
    assert kept[-1] == 65_536
    assert len(kept) == 28


# ---------------------------------------------------------------- growth


def grown(*norms: float, losses: tuple[float, ...] | None = None) -> GrowthFold:
    fold = GrowthFold()
    for number, norm in enumerate(norms, 1):
        fold.add(number, norm, losses[number - 1] if losses else norm)
    return fold


def test_a_growth_that_overflows() -> None:
    fact = grown(5.0, 1.0, 1e3, 1e6, math.inf, math.nan).fact(LINE)
    assert fact is not None
    assert (fact.steps, fact.norms, fact.overflow) == ((2, 3, 4), (1.0, 1e3, 1e6), 5)


def test_a_loss_that_overflows_ends_the_growth_as_well() -> None:
    fact = grown(1.0, 1e5, 1e9, losses=(1.0, 1e9, math.inf)).fact(LINE)
    assert fact is not None
    assert (fact.steps, fact.overflow) == ((1, 2), 3)


def test_an_overflow_long_after_the_growth_is_not_its_end() -> None:
    fact = grown(1.0, 1e6, *[1e5] * 10, math.inf).fact(LINE)
    assert fact is not None
    assert fact.overflow is None


def test_a_dip_does_not_hide_the_growth_before_it() -> None:
    fact = grown(1.0, 1e4, 1e12, 1e6, math.inf).fact(LINE)
    assert fact is not None
    assert (fact.norms, fact.overflow) == ((1.0, 1e4, 1e12), 5)


def test_the_largest_growth_is_kept() -> None:
    fact = grown(1.0, 1e4, 0.5, 1.0, 0.1, 0.2).fact(LINE)
    assert fact is not None
    assert fact.norms == (1.0, 1e4)


@pytest.mark.parametrize("norms", [(3.0, 2.0, 1.0), (0.0, 0.0), (1.0, math.nan, math.nan), ()])
def test_nothing_grows(norms: tuple[float, ...]) -> None:
    assert grown(*norms).fact(LINE) is None


def test_records_are_bounded() -> None:
    fold = grown(*(1.01**number for number in range(5_000)))
    fact = fold.fact(LINE)
    assert fact is not None
    assert len(fact.norms) <= 64
    assert fact.norms[0] == 1.0
    assert fact.norms[-1] == pytest.approx(1.01**4_999)


def test_what_the_loss_was_before_and_is_afterwards() -> None:
    fact = grown(5.0, 1.0, 1e9, 2.0, 3.0, losses=(7.0, 4.0, 1e12, 1e11, 1e10)).fact(LINE)
    assert fact is not None
    assert fact.highest_loss == 7.0
    assert (fact.later, fact.last_loss) == (2, 1e10)
