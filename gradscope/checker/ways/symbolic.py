"""The closed form of a small function and of its derivatives, through sympy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import sympy  # type: ignore[import-untyped]  # sympy has no types
import torch
from sympy.printing.str import StrPrinter  # type: ignore[import-untyped]  # likewise
from torch import Tensor

from gradscope.checker.point import Deadline, Point, is_differentiable, tensors_of
from gradscope.checker.ways.recorded_formula import RecordedFormula, Unknown
from gradscope.facts.checks import NO_TIME

MOST_INPUTS = 8
MOST_OUTPUTS = 8
_LONGEST = 160
_MOST_OPS = 100
"""Operations of a derivative that is expanded, to see whether it is shorter so."""

_DIGITS = 30


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """`text` is "d/dx (3*x**2 + 5*x) = 6*x + 5"; `jacobian` its value at the point, (outputs, inputs)."""

    text: str
    jacobian: Tensor


def closed_form(point: Point, deadline: Deadline) -> ClosedForm | str:
    """The closed form at a point, or in a few words why there is none.

    Branches are those that the function takes at the point. A form that does not give the function's own
    values, at the point and next to it, is not shown.
    """
    symbols = _symbols(point)
    if len(symbols) > MOST_INPUTS:
        return f"more than {MOST_INPUTS} inputs"
    found = _record(point, symbols, deadline)
    if isinstance(found, str):
        return found
    outputs, values, branched = found
    if len(outputs) > MOST_OUTPUTS:
        return f"more than {MOST_OUTPUTS} outputs"
    if deadline.is_over:
        return NO_TIME
    numbers = _numbers(point, symbols)
    if not (_gives(outputs, numbers, values) and (branched or _gives_next_to(point, symbols, outputs))):
        return "its formula does not give its value: some step of it is not seen"
    derivatives = [[output.diff(symbol) for symbol in symbols] for output in outputs]
    jacobian = torch.tensor(
        [[_value(derivative, numbers) for derivative in row] for row in derivatives], dtype=torch.float64
    )
    if not bool(torch.isfinite(jacobian).all()):
        return "its derivative is not finite here"
    text = _text(point, symbols, outputs, derivatives)
    return ClosedForm(f"{text}, on the branch taken" if branched else text, jacobian)


def _symbols(point: Point) -> list[Any]:
    """A real symbol for each input element: x, or x[0], x[1, 2] where there are several."""
    symbols = []
    for number, tensor in enumerate(point.tensors):
        name = point.name(number)
        for place in range(min(tensor.numel(), MOST_INPUTS + 1)):
            index = torch.unravel_index(torch.tensor(place), tensor.shape) if tensor.dim() else ()
            inside = ", ".join(str(int(i)) for i in index)
            symbols.append(sympy.Symbol(f"{name}[{inside}]" if tensor.numel() > 1 else name, real=True))
    return symbols


def _record(
    point: Point, symbols: list[Any], deadline: Deadline
) -> tuple[list[Any], list[float], bool] | str:
    """The outputs' formulas and values, and whether a branch was taken; or why there are none."""
    recorded = RecordedFormula(deadline)
    leaves = point.fresh()
    left = list(symbols)
    for index in point.active:
        count = leaves[index].numel()
        recorded.name(leaves[index], left[:count])
        left = left[count:]
    try:
        with torch.no_grad(), recorded:
            returned = point.raw(leaves)
    except Exception as error:  # noqa: BLE001  the user's forward may raise anything
        return f"{type(error).__name__} was raised"
    if recorded.failure:
        return recorded.failure
    outputs = [leaf for leaf in tensors_of(returned) if is_differentiable(leaf)]
    try:
        forms = [form for output in outputs for form in recorded.of(output)]
    except Unknown as reason:
        return str(reason)
    values = [value for output in outputs for value in output.double().reshape(-1).tolist()]
    return forms, values, recorded.branched


def _numbers(point: Point, symbols: list[Any]) -> dict[Any, Any]:
    """The inputs' values, exactly."""
    values = [value for tensor in point.tensors for value in tensor.reshape(-1).tolist()]
    return {symbol: sympy.Float(value, _DIGITS + 10) for symbol, value in zip(symbols, values, strict=True)}


def _gives(outputs: list[Any], numbers: dict[Any, Any], values: list[float]) -> bool:
    found = [_value(output, numbers) for output in outputs]
    return all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-7) for a, b in zip(found, values, strict=True))


def _gives_next_to(point: Point, symbols: list[Any], outputs: list[Any]) -> bool:
    """Whether the formulas hold a small step away too; a value that was taken for a constant does not."""
    moved = point.with_leaves({index: point.leaves[index] * 1.001 + 1e-3 for index in point.active})
    try:
        values = [value for output in moved.values() for value in output.double().reshape(-1).tolist()]
    except Exception:  # noqa: BLE001  outside of its domain the user's forward may raise anything
        return True
    if len(values) != len(outputs) or not all(map(math.isfinite, values)):
        return True
    return _gives(outputs, _numbers(moved, symbols), values)


def _value(expression: Any, numbers: dict[Any, Any]) -> float:
    found = expression.xreplace(numbers).evalf(_DIGITS)
    return float(found) if found.is_real else math.nan


def _text(point: Point, symbols: list[Any], outputs: list[Any], derivatives: list[list[Any]]) -> str:
    """One line; a function of each element alone is told for one element."""
    shared = _elementwise(point, symbols, outputs)
    if shared is not None:
        symbol, form = shared
        told = f"d/d{symbol} ({_written(form)}) = {_short(form.diff(symbol))}"
        return _fitting(f"{told}, for each element" if len(symbols) > 1 else told, outputs)
    parts = []
    for output, row in zip(outputs, derivatives, strict=True):
        slopes = [
            f"d/d{symbol} = {_short(derivative)}"
            for symbol, derivative in zip(symbols, row, strict=True)
            if derivative != 0
        ]
        parts.append(f"{_written(output)}: {', '.join(slopes) or 'constant'}")
    return _fitting("; ".join(parts), outputs)


def _elementwise(point: Point, symbols: list[Any], outputs: list[Any]) -> tuple[Any, Any] | None:
    """The symbol and form of one element, where every output is the same function of its own input."""
    if len(point.active) != 1 or len(symbols) != len(outputs):
        return None
    symbol = sympy.Symbol(point.name(0), real=True)
    forms = {output.xreplace({own: symbol}) for own, output in zip(symbols, outputs, strict=True)}
    form = forms.pop()
    return (symbol, form) if not forms and form.free_symbols <= {symbol} else None


def _short(derivative: Any) -> str:
    """The shorter of the derivative and its expansion."""
    if derivative.count_ops() > _MOST_OPS:
        return _written(derivative)
    return min(_written(derivative), _written(sympy.expand(derivative)), key=len)


class _Printer(StrPrinter):  # type: ignore[misc]  # sympy has no types
    """sympy's own, with decimal numbers as Python writes them and choices in words."""

    def _print_Float(self, number: Any) -> str:  # noqa: N802  sympy calls it so
        return repr(float(number))

    def _print_Piecewise(self, choice: Any) -> str:  # noqa: N802  sympy calls it so
        pieces = [
            f"else {self._print(value)}"
            if condition == sympy.true
            else f"{self._print(value)} where {condition}"
            for value, condition in choice.args
        ]
        return f"({', '.join(pieces)})"


def _written(form: Any) -> str:
    written: str = _Printer().doprint(form)
    return written


def _fitting(text: str, outputs: list[Any]) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"a closed form of {sum(output.count_ops() for output in outputs)} operations, too long to show"
