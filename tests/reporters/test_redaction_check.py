"""`--redact` and the JSON of a check: no text of the user's own comes through, and no place is dropped."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from gradscope import reporters
from gradscope.facts import CheckedFunction, Recording, ReturnFault, SubjectKind, WrongReturn
from gradscope.finding import Location
from gradscope.report import Report

SECRET = "the password is swordfish"
PLACE = Location("ops.py", 7)
FUNCTION = CheckedFunction(
    "Softmax",
    SubjectKind.FUNCTION,
    wrong_returns=(
        WrongReturn(
            ReturnFault.RAISES, None, "", SECRET, SECRET, condition=SECRET, error=SECRET, location=PLACE
        ),
    ),
    failed_at=PLACE,
    notes=(SECRET,),
)


def written(function: CheckedFunction, *, redact: bool) -> str:
    out = io.StringIO()
    report = Report("check", "ops.py", (), Recording(checked=(function,)), (), {})
    reporters.render("json", report, out, redact=redact)
    return out.getvalue()


def test_what_backward_raised_is_not_told() -> None:
    assert "swordfish" not in written(FUNCTION, redact=True)
    assert written(FUNCTION, redact=False).count("swordfish") == 5


def test_where_it_failed_is_in_the_report() -> None:
    (function,) = json.loads(written(FUNCTION, redact=False))["check"]["functions"]
    assert function["failed_at"]["line"] == 7
    (function,) = json.loads(written(replace(FUNCTION, failed_at=None), redact=False))["check"]["functions"]
    assert function["failed_at"] is None
