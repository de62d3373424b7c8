"""What the rules of `gradscope check` share: a function's places, its sources, and its numbers as words."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, Origin
from gradscope.finding import Location, Related
from gradscope.rules._words import number
from gradscope.syntax import definitions, dotted, methods


def backward_place(checked: CheckedFunction) -> Location | None:
    """The line of `def backward`; that of the whole where there is none."""
    return checked.backward or checked.location


def is_made_up(checked: CheckedFunction) -> bool:
    """Whether gradscope found all arguments itself, by trial: the function may be made for others."""
    return bool(checked.samples) and all(one.origin is Origin.INFERRED for one in checked.samples)


def source(recording: Recording, location: Location | None) -> str:
    """The text of the file of a place, "" where it is unknown."""
    return "\n".join(recording.sources.get(location.path, ())) if location is not None else ""


def returns_of(recording: Recording, checked: CheckedFunction) -> tuple[Related, ...]:
    """The `return` statements of backward, as related places."""
    where = checked.backward
    if where is None:
        return ()
    spans = methods.return_statements(source(recording, where), where.line, bare_name(where))
    return tuple(Related(_location(where, span), "returned here") for span in spans)


def calls_in(
    recording: Recording, where: Location | None, names: Iterable[str]
) -> Iterator[tuple[Location, str]]:
    """The calls of functions or methods of these names in the function defined at a place."""
    if where is None:
        return
    text = source(recording, where)
    node = definitions.function_at(text, where.line, bare_name(where))
    wanted = frozenset(names)
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Call):
            name = dotted(each.func).rpartition(".")[2]
            if isinstance(each.func, ast.Attribute):
                name = each.func.attr
            if name in wanted:
                yield _location(where, definitions.span(text, each)), name


def bare_name(where: Location) -> str:
    """ "backward" for the place of "Softmax.backward"."""
    return (where.function or "backward").rpartition(".")[2]


def measured(value: float | None, uncertainty: float | None) -> str:
    """ "0.7155 ± 3e-11"."""
    if value is None or not uncertainty:
        return number(value)
    return f"{number(value)} ± {uncertainty:.0e}"


def _location(where: Location, span: definitions.Span) -> Location:
    return Location(where.path, span.line, span.column, span.end_line, span.end_column, where.function)
