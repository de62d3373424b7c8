"""Tables for JSON: what repeats is told once, and a column that is the same all the way down is one value."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

Number: TypeAlias = int | float | str | None
"""A number for JSON, which has no NaN and no infinity: they are spelled."""

Item = TypeVar("Item", bound=Hashable)


class Table(Generic[Item]):
    """Items in the order in which they were first seen, and the index of each."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._index: dict[Item, int] = {}

    def index(self, item: Item) -> int:
        """The place of an item, which is added where it is new."""
        known = self._index.get(item)
        if known is None:
            known = self._index[item] = len(self.items)
            self.items.append(item)
        return known


def column(values: Sequence[Number]) -> Sequence[Number] | Number:
    """The values, or the one value that all of them are."""
    first = values[0] if values else 0
    return first if all(value == first for value in values) else values


def number(value: float | None) -> Number:
    """A measured number to four digits, as much as a picture shows."""
    if value is None:
        return None
    if math.isfinite(value):
        rounded = float(f"{value:.4g}")
        return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def exact(value: float | None) -> Number:
    """A number as it is."""
    return value if value is None or math.isfinite(value) else number(value)
