"""The trend of a row of numbers: what is steady, what is one jump, what is noise."""

from __future__ import annotations

import random

import pytest

from gradscope.rules._trend import trend


def test_a_steady_fall_counts_in_full() -> None:
    found = trend([10.0**-k for k in range(8)])
    assert found.slope == pytest.approx(-1)
    assert found.score == pytest.approx(-7)


def test_a_row_read_backwards_has_the_opposite_trend() -> None:
    values = [1.0, 0.4, 0.03, 0.02, 1e-3, 1e-4, 3e-5, 1e-6]
    assert trend(values).score == pytest.approx(-trend(values[::-1]).score)


def test_one_jump_is_no_trend() -> None:
    assert trend([1.0] * 8 + [1e-9] * 8).score == pytest.approx(0, abs=1e-6)
    assert trend([1e-9] + [1.0] * 15).score == 0


def test_one_outlier_does_not_hide_a_trend() -> None:
    values = [10.0**-k for k in range(12)]
    values[5] = 1.0
    assert trend(values).score < -4


def test_noise_is_no_trend() -> None:
    draw = random.Random(0)
    for _ in range(50):
        assert abs(trend([10 ** draw.uniform(-3, 3) for _ in range(16)]).score) < 4


def test_the_interval_holds_the_slope_and_narrows_with_the_row() -> None:
    draw = random.Random(1)
    short = trend([10 ** (-0.3 * k + draw.gauss(0, 0.5)) for k in range(8)])
    long = trend([10 ** (-0.3 * k + draw.gauss(0, 0.5)) for k in range(60)])
    for one in (short, long):
        assert one.low <= one.slope <= one.high
    assert long.high - long.low < short.high - short.low


def test_a_very_long_row_is_thinned() -> None:
    assert trend([10 ** (-0.001 * k) for k in range(5_000)]).slope == pytest.approx(-0.001)
