"""What the user's code raised, in one line."""

from __future__ import annotations

import pytest
import torch

from gradscope.checker.raised import raised, raised_at
from gradscope.checker.run import check_function
from tests.checker.points import point_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("too large\nand more"), "ValueError: too large"),
        (RuntimeError("\n  indented"), "RuntimeError: indented"),
        (AssertionError(), "AssertionError"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_one_line(error: Exception, told: str) -> None:
    assert raised(error) == told


def test_a_forward_that_says_nothing_ends_in_no_colon() -> None:
    def refuses(x: torch.Tensor) -> torch.Tensor:
        assert x.dim() == 7
        return x

    point = point_of(refuses, torch.ones(2))
    from gradscope.checker.point import Sample

    checked = check_function(point.subject, [Sample((torch.ones(2),))])
    assert checked.failure in (
        "forward raises AssertionError",
        "forward raises AssertionError: assert 1 == 7",
    )


def test_the_innermost_line_of_the_program() -> None:
    def inner() -> None:
        torch.ones(2).reshape(3)

    with pytest.raises(RuntimeError) as caught:
        inner()
    where = raised_at(caught.value)
    assert where is not None
    assert where.function is not None
    assert where.function.endswith("inner")
    assert where.path == __file__


def test_an_exception_that_nobody_raised_has_no_line() -> None:
    assert raised_at(ValueError("made here")) is None
