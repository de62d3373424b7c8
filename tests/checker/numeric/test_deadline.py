"""Time that runs out: what is known is said, and no evaluation is begun that there is no time for."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point
from gradscope.facts.checks import Cause
from tests.checker.numeric.functions import altered, compared, function, numbers, point
from tests.checker.numeric.test_compare import one_element, softmax


class Evaluations(Deadline):
    """A deadline in evaluations of forward instead of seconds."""

    def __init__(self, at: Point, most: int) -> None:
        super().__init__(float("inf"))
        self._at, self._most = at, most

    def left(self) -> float:
        return max(0.0, float(self._most - self._at.evaluations))

    def has(self, seconds: float) -> bool:
        return self.left() > 0.0 and self.left() >= seconds


def test_the_clock_alone_is_read_while_there_must_be_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = time.thread_time
    monkeypatch.setattr(time, "thread_time", lambda: reads.append(1) or read())
    deadline = Deadline(100.0)
    begun = len(reads)
    assert all(deadline.has(30.0) for _ in range(1000))
    assert not deadline.is_over
    assert len(reads) == begun
    assert not deadline.has(100.0)
    assert Deadline(float("inf")).has(float("inf"))
    assert Deadline(0.0).is_over


def within(most: int, call: Any, *args: Any) -> tuple[Comparison, int]:
    at = point(call, *args)
    return compare(at, Evaluations(at, most)), at.evaluations


def many_kinks() -> Tensor:
    sizes = 10 ** (-12 * torch.rand(400, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    return numbers(400) * sizes


@pytest.mark.parametrize("most", [30, 60, 100, 200, 400])
def test_evaluations_end_with_the_deadline(most: int) -> None:
    _, made = within(most, function(torch.relu, lambda inputs, grad: grad * (inputs[0] > 0)), many_kinks())
    assert made <= most + 24
    _, made = within(most, altered(softmax, one_element((3, 4))), numbers(20, 20))
    assert made <= most + 24


def test_a_direction_known_to_be_wrong_is_reported_without_its_element() -> None:
    found, _ = within(110, altered(softmax, one_element((17, 41), 1.2)), numbers(64, 64))
    (wrong,) = found.wrong
    assert (wrong.cause, wrong.element, wrong.output_element) == (Cause.FORMULA, (), None)
    assert "time ran out before it was known where" in wrong.pattern_text
    assert wrong.analytical is not None
    assert abs(wrong.analytical - wrong.numerical) > 10 * wrong.uncertainty


def test_kinks_are_no_mistake_where_time_runs_out() -> None:
    x = numbers(20, 20)
    x[::2] = 0.0
    for most in range(30, 400, 23):
        found, _ = within(most, function(torch.relu, lambda inputs, grad: grad * (inputs[0] > 0)), x)
        assert not found.wrong


@pytest.mark.parametrize("size", [(100, 120), (12_000,)])
def test_one_of_12000_elements_takes_few_evaluations(size: tuple[int, ...]) -> None:
    place = (7,) * len(size)
    for forward in (softmax, torch.tanh):
        found, _ = within(500, altered(forward, one_element(place)), numbers(*size))
        assert [one.element for one in found.wrong] == [place]


def test_many_elements_next_to_a_kink_take_few_rounds() -> None:
    x = numbers(4096)
    x[::2] *= 1e-12
    at = point(torch.relu, x)
    found = compare(at, Deadline(20.0))
    assert found.complete
    assert not found.wrong
    assert at.evaluations < 3500


def test_an_element_next_to_a_kink_is_at_none_of_a_jump() -> None:
    x = numbers(64)
    x[3] = 1e-12
    assert [note for note in compared(torch.relu, x).notes if "jump" in note] == []
