"""No comparison is begun that cannot end in time; nothing here depends on how fast the machine is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gradscope.checker.cases import _cost
from gradscope.checker.cases.double_backward import double_backward
from gradscope.checker.cases.magnitudes import other_magnitudes
from gradscope.checker.cases.vmapped import vmapped
from gradscope.checker.point import Deadline
from gradscope.facts.checks import NO_TIME, Outcome
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 12).reshape(3, 4)


@pytest.mark.parametrize("check", [double_backward, other_magnitudes, vmapped])
def test_what_would_take_too_long_is_not_begun(check: object, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = setting_of(healthy.Swish, X, seconds=60.0)
    assert check(setting).outcome.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE)  # type: ignore[operator]
    monkeypatch.setattr(_cost, "seconds_of", lambda point: 1.0)
    slow = check(replace(setting, deadline=Deadline(60.0))).outcome  # type: ignore[operator]
    if check is not vmapped or slow.outcome is not Outcome.NOT_APPLICABLE:
        assert (slow.outcome, NO_TIME in slow.detail) == (Outcome.NOT_CHECKED, True)


def test_the_cost_is_measured_once_a_point() -> None:
    point = setting_of(healthy.Swish, X).point
    first = _cost.seconds_of(point)
    assert first >= 0.0
    assert point.evaluations == 2
    assert _cost.seconds_of(point) == first
    assert point.evaluations == 2
