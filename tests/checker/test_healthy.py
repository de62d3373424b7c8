"""Every check over functions that are right: nothing may fail, and no rule may speak."""

from __future__ import annotations

import functools

import pytest

from gradscope.checker.cases import all_cases
from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, Outcome
from gradscope.finding import Severity
from tests.checker import healthy

LIMITS = Limits(19.0)
TORCHS_OWN = {("InplaceRelu", "torch.compile")}
"""What fails through no fault of the function: torch.compile drops the backward of a change in place."""


@functools.cache
def checked(name: str) -> CheckedFunction:
    subject = subject_of(getattr(healthy, name), name, healthy)
    assert subject is not None
    return check_function(subject, [Sample(healthy.gradscope_inputs[name]())], LIMITS)


def test_there_are_enough() -> None:
    assert len(healthy.gradscope_inputs) >= 40


@pytest.mark.parametrize("name", healthy.gradscope_inputs)
def test_nothing_fails(name: str) -> None:
    function = checked(name)
    assert not function.failure
    failed = [one for one in function.outcomes if one.outcome is Outcome.FAILED]
    assert [one for one in failed if (name, one.check) not in TORCHS_OWN] == []
    assert {one.check for one in function.outcomes} >= {case.name for case in all_cases()}
    own = [one for one in function.outcomes if "fault of gradscope's own" in one.detail]
    assert not own


@pytest.mark.parametrize("name", healthy.gradscope_inputs)
def test_no_rule_speaks(name: str) -> None:
    judged, _ = judge(Recording(checked=(checked(name),)))
    assert [one for one in judged if one.severity is not Severity.INFO] == []
