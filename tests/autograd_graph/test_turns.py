"""Where a sequence repeats itself."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gradscope.autograd_graph.turns import turns_of


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("", []),
        ("abc", []),
        ("aaa", []),  # three turns are too few
        ("aaaa", [(0, 1, 4)]),
        ("abababab", [(0, 2, 8)]),
        ("xabcabcabcabcy", [(1, 3, 13)]),
        ("bcabcabcabcabc", [(0, 3, 14)]),  # the first turn is cut short
        ("aabaabaabaabaa", [(0, 3, 14)]),  # "b" comes once a turn and tells its length
        ("aaaaxbbbbb", [(0, 1, 4), (5, 1, 10)]),
        ("ababababxcdcdcdcd", [(0, 2, 8), (9, 2, 17)]),
        ("abcdabdcacbd", []),
    ],
)
def test_stretches(sequence: str, expected: list[tuple[int, int, int]]) -> None:
    assert turns_of([ord(each) for each in sequence]) == expected


def test_stretches_never_overlap() -> None:
    found = turns_of([1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1])
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert found
