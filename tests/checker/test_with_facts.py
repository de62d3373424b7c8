"""What one check measures is all in the function's facts afterwards."""

from __future__ import annotations

import dataclasses

import pytest

from gradscope.checker.run import with_facts
from gradscope.facts.checks import CheckedFunction, CheckOutcome, Facts, Outcome, SavedTensors, SubjectKind

FIELDS = [each.name for each in dataclasses.fields(Facts)]
SINGLE = {"outcome": "outcomes", "saved": "saved", "agreement": "agreement"}
OUTCOME = CheckOutcome("dtypes", Outcome.PASSED)


@pytest.mark.parametrize("name", [each for each in FIELDS if each not in SINGLE])
def test_a_sequence_is_added_to_what_was_known(name: str) -> None:
    known = CheckedFunction("Softmax", SubjectKind.FUNCTION, **{name: ("first",)})
    facts = Facts(OUTCOME, **{name: ["second"]})
    assert getattr(with_facts(known, facts), name) == ("first", "second")


def test_outcomes_and_bytes() -> None:
    saved = SavedTensors(8, 16)
    checked = with_facts(CheckedFunction("Softmax", SubjectKind.FUNCTION), Facts(OUTCOME, saved=saved))
    assert (checked.outcomes, checked.saved) == ((OUTCOME,), saved)
    assert with_facts(checked, Facts(OUTCOME)).saved is saved
