"""Every check over functions that are wrong: the rule that must be found is found, on a line of theirs."""

from __future__ import annotations

import inspect

import pytest

from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import Recording
from gradscope.facts.checks import Outcome
from tests.checker import faulty


def test_there_are_enough() -> None:
    assert len(faulty.RULES) >= 30


@pytest.mark.parametrize("name", faulty.RULES)
def test_its_rule_is_found(name: str) -> None:
    function = getattr(faulty, name)
    subject = subject_of(function, name, faulty)
    assert subject is not None
    checked = check_function(subject, [Sample(faulty.gradscope_inputs[name]())], Limits(19.0))
    assert any(one.outcome is Outcome.FAILED for one in checked.outcomes)
    assert not [one for one in checked.outcomes if "fault of gradscope's own" in one.detail]
    findings, _ = judge(Recording(checked=(checked,)))
    found = {one.code: one for one in findings}
    assert faulty.RULES[name] in found
    lines, first = inspect.getsourcelines(function)
    location = found[faulty.RULES[name]].location
    assert location is not None
    assert location.path == faulty.__file__
    assert first <= location.line < first + len(lines)
