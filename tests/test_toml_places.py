"""Where the keys and values of a TOML text stand."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from gradscope.toml_places import Path, places

TEXT = '''# [not.a.header]
[tool.gradscope]
ignore = ["GS1", # "no"
  'GS2',] # a = 1
"a b".c = """x
[no.header]
y"""
d = 1979-05-27 07:32:00 # z
e = \'\'\'"""\'\'\'\t
[[ tool . gradscope.gate.targets ]]
trace = "a.py"
environment = { A = "1", B.c = '}' }
[tool.gradscope.gate.targets.deeper]
x = 1_000
"k\\"]" = "v\\\\"
[[tool.gradscope.gate.targets]]
trace = "b.py"
n = [[1, 2], [{a = 1}]]
[[tool.gradscope.gate.targets.inner]]
z = true
'''


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of everything that tomllib reads and that is no table and no list."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        if isinstance(each, dict | list):
            yield from leaves(each, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_everything_that_tomllib_reads_has_a_place(text: str) -> None:
    found = places(text)
    read = list(leaves(tomllib.loads(text)))
    assert set(read) <= set(found.values)
    assert {path for path in read if isinstance(path[-1], str)} <= set(found.keys)


@pytest.mark.parametrize(
    ("path", "line", "shown"),
    [
        (("tool", "gradscope", "ignore"), 3, "ignore"),
        (("tool", "gradscope", "ignore", 0), 3, "GS1"),
        (("tool", "gradscope", "ignore", 1), 4, "GS2"),
        (("tool", "gradscope", "a b"), 5, "a b"),
        (("tool", "gradscope", "a b", "c"), 5, "c"),
        (("tool", "gradscope", "e"), 9, "e"),
        (("tool", "gradscope", "gate", "targets", 0), 10, "targets"),
        (("tool", "gradscope", "gate", "targets", 0, "trace"), 11, "trace"),
        (("tool", "gradscope", "gate", "targets", 0, "environment", "B", "c"), 12, "c"),
        (("tool", "gradscope", "gate", "targets", 0, "deeper", "x"), 14, "x"),
        (("tool", "gradscope", "gate", "targets", 1, "trace"), 17, "trace"),
        (("tool", "gradscope", "gate", "targets", 1, "n", 1, 0, "a"), 18, "a"),
        (("tool", "gradscope", "gate", "targets", 1, "inner", 0, "z"), 20, "z"),
    ],
)
def test_places(path: Path, line: int, shown: str) -> None:
    found = places(TEXT)
    place = found.keys.get(path) or found.values[path]
    assert place.line == line
    assert TEXT.split("\n")[line - 1][place.start : place.end] == shown


@pytest.mark.parametrize(
    ("path", "line", "shown"),
    [
        (("tool", "gradscope", "a b", "c"), 5, "x"),
        (("tool", "gradscope", "d"), 8, "1979-05-27 07:32:00"),
        (("tool", "gradscope", "e"), 9, '"""'),
        (("tool", "gradscope", "gate", "targets", 0, "environment"), 12, "{ A = \"1\", B.c = '}' }"),
        (("tool", "gradscope", "gate", "targets", 0, "deeper", 'k"]'), 15, "v\\\\"),
        (("tool", "gradscope", "gate", "targets", 1, "n", 0), 18, "[1, 2]"),
    ],
)
def test_places_of_values(path: Path, line: int, shown: str) -> None:
    place = places(TEXT).values[path]
    assert (place.line, TEXT.split("\n")[line - 1][place.start : place.end]) == (line, shown)


def test_an_empty_text_has_no_places() -> None:
    assert places("").keys == places("# a = 1").values == {}
