"""Reads a graph of an engine: values, operands, gradients. Attributes are read, nothing is called.

An engine whose `_prev` is a set tells neither the order of the operands nor that one stands twice (x * x):
the closure of its `_backward`, which holds `self` and `other`, does.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from types import CellType, FunctionType
from typing import Any

from gradscope.folds.scalar_ops import is_binary, slopes
from gradscope.folds.scalar_pass import Edge, ScalarNode
from gradscope.recorder.engines.births import Birth
from gradscope.recorder.engines.classes import OPERANDS

MOST_VALUES = 500_000
_ORDER = {"self": 0, "other": 2}  # the variables of a closure, the others between them


@dataclass(slots=True)
class Reading:
    """A graph, root first and every value before its operands; held only while its backward runs."""

    values: list[Any]
    births: list[Birth | None]
    nodes: list[ScalarNode]

    @property
    def is_coarse(self) -> bool:
        """Whether its numbers are of a type (float16) in which right gradients are far off too."""
        return any("16" in type(value.data).__name__ for value in self.values)

    def read_again(self) -> bool:
        """Takes down the gradients after the backward; False where they tell nothing of it.

        That is so where values changed meanwhile. A leaf whose `grad` is None was not asked for its gradient.
        """
        try:
            for value, node in zip(self.values, self.nodes, strict=True):
                grad = value.grad
                after = 0.0 if grad is None else number(grad)
                if after is None or number(value.data) != node.value:
                    return False
                node.after = after
                node.constant = node.constant or (grad is None and node.is_leaf)
        except Exception:  # noqa: BLE001  a property of the program's own that raises: nothing can be known
            return False
        return True


def number(thing: Any) -> float | None:
    """A real number, also one of NumPy's, as a float; None for anything else."""
    if type(thing) is float:
        return thing
    if isinstance(thing, (int, Real)):
        return float(thing)
    if type(thing).__module__ == "numpy" and getattr(thing, "size", 0) == 1:
        item = thing.item()
        return float(item) if isinstance(item, Real) else None
    return None


def read_graph(
    root: Any, engines: tuple[type, ...], birth_of: Callable[[Any], Birth | None]
) -> Reading | None:
    """The graph below `root`; None where it is too large, not all of single numbers, or cannot be read."""
    collecting = gc.isenabled()
    gc.disable()  # many small objects, none of them garbage
    try:
        return _read(root, engines, birth_of)
    except Exception:  # noqa: BLE001  a property of the program's own that raises: nothing can be known
        return None
    finally:
        if collecting:
            gc.enable()


def _read(root: Any, engines: tuple[type, ...], birth_of: Callable[[Any], Birth | None]) -> Reading | None:
    values = _ordered(root, engines)
    if values is None:
        return None
    births = [birth_of(value) for value in values]
    if all(birth is not None for birth in births):
        places = sorted(range(len(values)), key=lambda at: -births[at].number)  # type: ignore[union-attr]  # none is None
        if places[0] == 0:
            values, births = [values[at] for at in places], [births[at] for at in places]
    index = {id(value): at for at, value in enumerate(values)}
    nodes = []
    for value, birth in zip(values, births, strict=True):
        data, grad = number(value.data), number(value.grad)
        if data is None or (grad is None and value.grad is not None):
            return None
        node = ScalarNode(op_of(value), data, grad or 0.0)
        node.edges = _edges(value, data, engines, index, birth_of)
        node.constant = not node.edges and (
            (birth is not None and birth.in_engine) or not getattr(value, "requires_grad", True)
        )
        nodes.append(node)
    if any(edge.target <= at for at, node in enumerate(nodes) for edge in node.edges):
        return None  # a cycle, or operands that were exchanged since
    return Reading(values, births, nodes)


def op_of(value: Any) -> str:
    """The name of the op that made a value, also of a member of an Enum or a function; empty for a leaf."""
    op = getattr(value, "_op", "")
    if isinstance(op, Enum):
        op = op.value if isinstance(op.value, str) else op.name
    return op if isinstance(op, str) else getattr(op, "__name__", "")


def _made_of(value: Any) -> Collection[Any]:
    """What a value was made of, as it keeps it."""
    for name in OPERANDS:
        held = getattr(value, name, None)
        if isinstance(held, (list, tuple, set, frozenset)):
            return held
    return ()


def _ordered(root: Any, engines: tuple[type, ...]) -> list[Any] | None:
    """All values from the root on, each before its operands."""
    done: list[Any] = []
    seen: set[int] = set()
    todo: list[tuple[Any, bool]] = [(root, False)]
    while todo:
        value, complete = todo.pop()
        if complete:
            done.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            if len(seen) > MOST_VALUES:
                return None
            todo.append((value, True))
            todo += [(each, False) for each in _made_of(value) if isinstance(each, engines)]
    done.reverse()
    return done


# ---------------------------------------------------------------- operands


def _edges(
    value: Any,
    data: float,
    engines: tuple[type, ...],
    index: dict[int, int],
    birth_of: Callable[[Any], Birth | None],
) -> tuple[Edge, ...]:
    made_of = _made_of(value)
    held = [each for each in made_of if isinstance(each, engines)]
    if not held:
        return ()
    op = op_of(value)
    closure, others = _closure(value, engines)
    is_set = isinstance(made_of, (set, frozenset))
    if is_set and {id(each) for each in closure} == {id(each) for each in held}:
        operands = closure
    else:
        operands = sorted(held, key=lambda each: _number_of(birth_of(each))) if is_set else held
    told = _slopes(op, operands, others, data, is_sure=operands is closure or not is_set)
    return tuple(Edge(index[id(each)], slope) for each, slope in zip(operands, told, strict=True))


def _number_of(birth: Birth | None) -> int:
    return -1 if birth is None else birth.number


def _slopes(
    op: str, operands: list[Any], others: list[float], data: float, *, is_sure: bool
) -> tuple[float | None, ...]:
    """The local derivatives; `is_sure` says that the order is the op's, and that none is missing."""
    numbers = [found for each in operands if (found := number(each.data)) is not None]
    unknown = (None,) * len(operands)
    if len(numbers) < len(operands):
        return unknown
    if len(numbers) == 1 and is_binary(op):
        if not is_sure:
            return unknown
        if len(others) == 1:  # the other operand is a plain number
            told = slopes(op, [*numbers, *others], data, ordered=False)
            return (told[0],) if told is not None else unknown
    told = (slopes(op, numbers, data) if is_sure else None) or slopes(op, numbers, data, ordered=False)
    return told if told is not None and len(told) == len(operands) else unknown


def _closure(value: Any, engines: tuple[type, ...]) -> tuple[list[Any], list[float]]:
    """The values, and the plain numbers, that `_backward` has besides this value; `self` before `other`."""
    function = getattr(value, "_backward", None)
    if not isinstance(function, FunctionType) or function.__closure__ is None:
        return [], []
    cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
    values, numbers = [], []
    for _, cell in sorted(cells, key=_place_in_call):
        try:
            held = cell.cell_contents
        except ValueError:
            continue  # not filled
        if held is value:
            continue
        if isinstance(held, engines):
            values.append(held)
        elif (plain := number(held)) is not None and math.isfinite(plain):
            numbers.append(plain)
    return values, numbers


def _place_in_call(cell: tuple[str, CellType]) -> tuple[int, str]:
    name = cell[0]
    return (_ORDER.get(name, 1), name)
