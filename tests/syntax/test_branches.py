"""Which test lies between two places of a function."""

import pytest

from gradscope.syntax import deciding_test

SOURCE = """\
def forward(self, x):
    if self.training and lucky():
        return x * 1.0
    h = first(x) if coin() else second(x)
    for layer in drawn(self.layers):
        h = layer(h)
    while rough(h):
        h = smooth(h)
    if done:
        return h + 1
    else:
        h = h - 1
    return last(h)
"""


def at(text):
    found = [
        (number, line.index(text) + 1) for number, line in enumerate(SOURCE.split("\n"), 1) if text in line
    ]
    return found[0]


@pytest.mark.parametrize(
    ("one", "other", "test"),
    [
        ("x * 1.0", "first(x)", "self.training and lucky()"),
        ("first(x)", "second(x)", "coin()"),
        ("layer(h)", "last(h)", "drawn(self.layers)"),
        ("last(h)", "smooth(h)", "rough(h)"),
        ("h + 1", "h - 1", "done"),
        ("second(x)", "x * 1.0", "self.training and lucky()"),  # the first in the source
    ],
)
def test_the_first_test_that_separates(one, other, test):
    line, column, end_line, end_column = deciding_test(SOURCE, at(one), at(other))
    assert line == end_line
    assert SOURCE.split("\n")[line - 1][column - 1 : end_column - 1] == test


@pytest.mark.parametrize(("one", "other"), [("first(x)", "first(x)"), ("last(h)", "def forward")])
def test_nothing_decides_between_places_that_both_run(one, other):
    assert deciding_test(SOURCE, at(one), at(other)) is None


def test_to_the_end_of_the_function_one_test_must_stand_alone():
    assert deciding_test(SOURCE, at("smooth(h)"), None)[:2] == at("rough(h)")
    assert deciding_test(SOURCE, at("last(h)"), None) is None
    nested = "def f(x):\n    if a:\n        if b:\n            x = x + 1\n    return x\n"
    assert deciding_test(nested, (4, 17), None) is None


def test_a_file_that_does_not_parse():
    assert deciding_test("def f(:", (1, 1), (1, 5)) is None
