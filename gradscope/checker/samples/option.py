"""One value to try for a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

N, D, O = 4, 3, 5  # noqa: E741  rows, columns, and what a matrix maps the columns to
"""Sizes of the first tensors that are tried; all differ, so that a transpose cannot pass for none."""


@dataclass(frozen=True, slots=True)
class Option:
    """One value to try for a parameter. `what` is "float", "int", "bool" (tensors of `shape`), "shares" (one
    whose rows add up to one), "value", "list" (two tensors of `shape`) or "left out".
    """

    what: str
    shape: tuple[int, ...] = ()
    value: Any = None
    high: int = D


def value_of(value: Any) -> Option:
    """A value that is no tensor."""
    return Option("value", value=value)
