"""A derivative written by hand: how it is called, and what it says about each input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.point import Point
from gradscope.checker.raised import raised
from gradscope.checker.subjects.sources import definition_of
from gradscope.facts.checks import ReturnFault, WrongReturn
from gradscope.finding import Location
from gradscope.loader.generators import seeded


class Mismatch(Exception):
    """What was returned cannot be a derivative of the function: `fault` says in what way."""

    def __init__(self, fault: WrongReturn) -> None:
        super().__init__(fault.got)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class ByHand:
    """A derivative written by hand. It takes the function's arguments and returns one value, or a tuple with
    one for each floating-point input in order, or one for each argument (None for one it leaves out), or a
    mapping from names.
    """

    call: Callable[..., Any]
    name: str
    location: Location | None

    @classmethod
    def of(cls, derivative: Callable[..., Any], name: str = "") -> ByHand:
        """The function with its own name where `name` is "", and the line of its `def`."""
        own = getattr(derivative, "__name__", "") or "the derivative"
        return cls(derivative, name or own, definition_of(derivative))

    def values(self, point: Point) -> dict[int, Tensor | float]:
        """What it returns at a point, by the number of the active input, those left out missing.

        Raises Mismatch where it raises, or where what it returns is not a derivative.
        """
        args, kwargs = pytree.tree_unflatten(point.fresh(), point.spec)
        try:
            with seeded(), torch.no_grad():
                returned = self.call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  the user's function may raise anything
            reason = raised(error)
            raise self.mismatch(ReturnFault.RAISES, got=reason, error=reason) from None
        named = self._by_input(point, returned)
        return {number: self._number(point, number, value) for number, value in named.items()}

    def _by_input(self, point: Point, returned: Any) -> dict[int, Any]:
        names = [point.name(number) for number in range(len(point.active))]
        if isinstance(returned, Mapping):
            unknown = [str(key) for key in returned if key not in names]
            if unknown:
                raise self.mismatch(ReturnFault.COUNT, ", ".join(names), f"one for {unknown[0]}")
            pairs = {names.index(key): value for key, value in returned.items()}
        else:
            values = list(returned) if isinstance(returned, tuple | list) else [returned]
            if len(values) == len(point.leaves) != len(names):
                values = [values[index] for index in point.active]
            if len(values) != len(names):
                expected = f"{len(names)} ({', '.join(names)})"
                raise self.mismatch(ReturnFault.COUNT, expected, str(len(values)))
            pairs = dict(enumerate(values))
        return {number: value for number, value in pairs.items() if value is not None}

    def _number(self, point: Point, number: int, value: Any) -> Tensor | float:
        if isinstance(value, Tensor):
            return value.detach()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise self.mismatch(
            ReturnFault.TYPE, "a tensor or a number", f"a {type(value).__name__}", number, point.name(number)
        )

    def mismatch(
        self,
        fault: ReturnFault,
        expected: str = "",
        got: str = "",
        number: int | None = None,
        input_name: str = "",
        error: str = "",
    ) -> Mismatch:
        """The exception for one fault, with our name and line."""
        return Mismatch(
            WrongReturn(
                fault,
                number,
                input_name,
                expected,
                got,
                error=error,
                location=self.location,
                against=self.name,
            )
        )
