"""Names of rules, as they are typed and written into configurations."""

from __future__ import annotations

import pytest

from gradscope.errors import UsageError, render
from gradscope.rule_names import codes_of, rule_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GS301", {"GS301"}),
        ("gs20", {"GS201", "GS202", "GS203", "GS204"}),
        (" NaN-gradient ", {"GS401"}),
        ("GS3", {"GS301", "GS302", "GS303"}),
        ("GS999", set()),
        ("severed", set()),
        ("g", set()),
        ("", set()),
    ],
)
def test_codes_of_a_name(name: str, expected: set[str]) -> None:
    assert codes_of(name) == expected


def test_the_shortest_beginning_means_all_rules() -> None:
    assert {"GS101", "GS401", "GS503"} <= codes_of("gs")


def test_comma_lists_are_split_and_repetitions_dropped() -> None:
    assert rule_names("--select", ["GS1,gs2", "GS1 nan-gradient", ","]) == ("GS1", "gs2", "nan-gradient")
    assert rule_names("select", "GS1") == ("GS1",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("severed", "did you mean severed-gradient?"),
        ("gs140", "did you mean GS4"),
        ("zzz", "--ignore zzz: no such rule\n"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        rule_names("--ignore", ["GS1", name], where=["--> here"], advice=["or leave it"])
    text = render(caught.value)
    assert said in text
    assert "  --> here\n  try   gradscope explain --list\n        or leave it\n" in text
