"""`--budget`: what it understands, and what it says to the rest."""

from __future__ import annotations

import pytest

from gradscope.errors import UsageError
from gradscope.memory_use.budget import Budget, parse_budget


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 * 2**30),
        ("8G", 8 * 2**30),
        ("8gb", 8 * 10**9),
        ("1.5 MiB", 3 * 2**19),
        ("500KB", 500_000),
        ("1000", 1000),
        ("0", 0),
        (" 2TiB ", 2**41),
        (".5k", 512),
    ],
)
def test_amounts(text: str, size: int) -> None:
    assert parse_budget(text) == Budget(size=size)
    assert parse_budget(text).of(1) == size


@pytest.mark.parametrize(("text", "share", "of_a_thousand"), [("50%", 0.5, 500), ("12.5 %", 0.125, 125)])
def test_shares(text: str, share: float, of_a_thousand: int) -> None:
    budget = parse_budget(text)
    assert budget == Budget(share=share)
    assert budget.of(1000) == of_a_thousand


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "1e9", "nan", "inf", "8 GiB please", "%", "1,5GiB"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(UsageError, match="not an amount of memory") as told:
        parse_budget(text)
    assert "--budget 8GiB" in str(told.value.try_next)


def test_a_unit_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"no unit GoB.*GB"):
        parse_budget("8GoB")


def test_more_than_any_machine_has() -> None:
    with pytest.raises(UsageError, match="more than any machine has"):
        parse_budget("9" * 400)
