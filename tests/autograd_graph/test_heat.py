"""The scale of colours."""

from __future__ import annotations

import math

import pytest

from gradscope.autograd_graph.drawing import Colour, Mark
from gradscope.autograd_graph.heat import Heat, mark_of, top


def test_the_scale_is_logarithmic() -> None:
    heat = Heat([1e-4, 1e-2, 1.0], Colour.GRADIENT)
    assert [heat.of(value) for value in (1e-4, 1e-2, 1.0)] == pytest.approx([0, 0.5, 1])
    assert heat.scale is not None
    assert (heat.scale.low, heat.scale.high) == ("1.0e-04", "1.0e+00")


def test_what_is_no_number_is_hottest_and_zero_coldest() -> None:
    heat = Heat([0.0, 1.0, 10.0, math.nan, math.inf], Colour.GRADIENT)
    assert [heat.of(value) for value in (math.nan, math.inf, 0.0, None)] == [1.0, 1.0, 0.0, None]
    assert heat.scale is not None
    assert (heat.scale.low, heat.scale.high) == ("1.0e+00", "1.0e+01")


def test_signs_do_not_matter() -> None:
    assert Heat([-100.0, 1.0], Colour.GRADIENT).of(-100.0) == 1.0


def test_one_value_is_in_the_middle() -> None:
    assert Heat([3.0, 3.0], Colour.GRADIENT).of(3.0) == 0.5


@pytest.mark.parametrize("values", [[], [None], [0.0], [math.nan]])
def test_no_scale_where_there_is_nothing_to_show(values: list[float | None]) -> None:
    assert Heat(values, Colour.GRADIENT).scale is None


def test_no_colours() -> None:
    heat = Heat([1.0, 2.0], Colour.NONE)
    assert heat.of(1.0) is None
    assert heat.scale is None


def test_units() -> None:
    time, memory = Heat([2e-6, 3e-3], Colour.TIME).scale, Heat([96.0, 2e6], Colour.BYTES).scale
    assert time is not None
    assert memory is not None
    assert (time.low, time.high, memory.low, memory.high) == ("2.0 us", "3.0 ms", "96 bytes", "2 MB")


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ([1.0, 0.0], None),
        ([0.0, 0.0, None], Mark.ZERO),
        ([None], None),
        ([], None),
        ([0.0, math.nan], Mark.NONFINITE),
        ([1.0, -math.inf], Mark.NONFINITE),
    ],
)
def test_marks(values: list[float | None], mark: Mark | None) -> None:
    assert mark_of(values) is mark


def test_the_value_that_decides() -> None:
    assert top([1.0, -3.0, None]) == -3.0
    assert top([None]) is None
    assert math.isnan(top([1.0, math.nan]) or 0.0)
