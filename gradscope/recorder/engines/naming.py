"""What the program calls the values of an engine: variables, attributes and items, or the expression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

from gradscope.recorder.engines.reading import Reading, op_of
from gradscope.recorder.names import variable_spaces
from gradscope.recorder.places import Loc

Expression: TypeAlias = Callable[[Loc], tuple[str | None, str | None]]
"""Gives the variable that the expression at a place is assigned to, and its source text."""

_MOST_OBJECTS = 20_000  # of one space, so that a crowded one hides no name that another gives
_MOST_ITEMS = 1_024
_DEEPEST = 8  # model.layers[0].neurons[1].w[2] is seven deep
_LEAVES = (str, bytes, int, float, complex, bool, type, ModuleType, FunctionType, MethodType)


def names_of(values: Collection[Any], engines: tuple[type, ...]) -> dict[int, str]:
    """The shortest way from a variable to each value, by the value's id; no key for one that is not reached.

    Goes through lists, tuples, dicts and the attributes of plain objects, never through a value: it reads
    what is stored there, and calls nothing.
    """
    wanted = {id(value) for value in values}
    found: dict[int, str] = {}
    seen: set[int] = set()
    read: Counter[int] = Counter()
    level = [
        (number, name, held)
        for number, space in enumerate(variable_spaces())
        for name, held in list(space.items())
        if not name.startswith("__")
    ]
    for _ in range(_DEEPEST):
        below: list[tuple[int, str, Any]] = []
        for number, name, held in level:
            if id(held) in wanted:
                found.setdefault(id(held), name)
            if issubclass(type(held), (*engines, *_LEAVES)) or id(held) in seen:
                continue
            if read[number] == _MOST_OBJECTS:
                continue
            seen.add(id(held))
            read[number] += 1
            below.extend((number, *inside) for inside in _inside(name, held))
        if wanted <= found.keys():
            break
        level = below
    return found


def _inside(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    if type(held) in (list, tuple):
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(held[:_MOST_ITEMS]))
    elif type(held) is dict:
        items = list(held.items())[:_MOST_ITEMS]
        yield from ((f"{name}[{key!r}]", item) for key, item in items if isinstance(key, (str, int)))
    else:
        try:
            attributes = object.__getattribute__(held, "__dict__")
        except AttributeError:
            return
        if type(attributes) is dict:
            items = list(attributes.items())[:_MOST_ITEMS]
            yield from ((f"{name}.{key}", item) for key, item in items if isinstance(key, str))


def namer(reading: Reading, engines: tuple[type, ...], expression_of: Expression) -> Callable[[int], str]:
    """Names by index: a leaf by what holds it, what was computed by its expression; else by its label."""
    held = names_of(reading.values, engines)

    def name(index: int) -> str:
        value, birth, node = reading.values[index], reading.births[index], reading.nodes[index]
        variable, expression = None, None
        if birth is not None and birth.own and bool(node.edges) == birth.in_engine:
            variable, expression = expression_of(birth.loc)
        if not node.edges:
            variable = held.get(id(value)) or variable
        label = getattr(value, "label", None)
        label = label if isinstance(label, str) else None
        plain = op_of(value) or f"{type(value).__name__}({node.value:g})"
        return variable or label or held.get(id(value)) or expression or plain

    return name
