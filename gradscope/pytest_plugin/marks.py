"""`@pytest.mark.gradscope(expect="GS102", ignore=["GS103", "GS4"], off=True)`, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from gradscope.errors import GradscopeError, closest

NAME = "gradscope"
HELP = (
    'gradscope(expect="GS102", ignore=["GS103", "GS4"], off=True): rules that must find something in the '
    "test, rules that are ignored in it, or that pytest --gradscope leaves it alone"
)
_KEYS = ("expect", "ignore", "off")


@dataclass(frozen=True, slots=True)
class Marks:
    """What the markers of a test, its class and its module say together. The names of rules exist."""

    expect: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    off: bool = False


KEY = pytest.StashKey[Marks]()
"""Where a collected test has its marks."""


def marks_of(item: pytest.Item) -> Marks:
    """What is asked of a test. Raises pytest.UsageError for a marker that cannot be understood."""
    found = [_read(mark, item) for mark in item.iter_markers(NAME)]
    if not found:
        return Marks()
    return Marks(
        tuple(dict.fromkeys(name for each in found for name in each.expect)),
        tuple(dict.fromkeys(name for each in found for name in each.ignore)),
        any(each.off for each in found),
    )


def _read(mark: pytest.Mark, item: pytest.Item) -> Marks:
    if mark.args:
        raise pytest.UsageError(
            f"{item.nodeid}: mark.gradscope takes no positional arguments: write "
            f"mark.gradscope(ignore={_quoted(mark.args)}) or expect={_quoted(mark.args)}"
        )
    for key in mark.kwargs:
        if key not in _KEYS:
            near = closest(key, _KEYS)
            guess = f"; did you mean {near[0]}?" if near else f"; it knows {', '.join(_KEYS)}"
            raise pytest.UsageError(f"{item.nodeid}: mark.gradscope has no argument {key}{guess}")
    off = mark.kwargs.get("off", False)
    if not isinstance(off, bool):
        raise pytest.UsageError(f"{item.nodeid}: mark.gradscope(off=...) is True or False, not {off!r}")
    return Marks(_rules(mark, "expect", item), _rules(mark, "ignore", item), off)


def _rules(mark: pytest.Mark, key: str, item: pytest.Item) -> tuple[str, ...]:
    if key not in mark.kwargs:
        return ()
    from gradscope.rule_names import rule_names  # the rules take a moment to import

    value = mark.kwargs[key]
    listed = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    names = [name for name in listed if isinstance(name, str)]
    if len(names) < len(listed):
        raise pytest.UsageError(f"{item.nodeid}: mark.gradscope({key}=...) names rules, not {value!r}")
    try:
        return rule_names(f"{item.nodeid}: mark.gradscope {key}", names)
    except GradscopeError as error:
        raise pytest.UsageError("\n".join((error.what, *error.try_next))) from None


def _quoted(values: tuple[object, ...]) -> str:
    words = [f'"{value}"' for value in values]
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"
