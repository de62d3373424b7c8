"""The lines of what is checked, found from code objects and the text of files; nothing is executed."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from torch import nn

from gradscope.checker.subject import Lines, Subject
from gradscope.checker.subjects.unwrapping import own_function, static
from gradscope.facts.checks import Declaration
from gradscope.finding import Location
from gradscope.syntax import declarations, definitions, methods, mutations
from gradscope.syntax.definitions import Span
from gradscope.syntax.registrations import Registered
from gradscope.syntax.uses import Use, uses_of


def source_text(path: str) -> str:
    """The text of a file as the interpreter knows it, with `\\n` line ends; empty where there is none."""
    return "".join(linecache.getlines(path)).replace("\r\n", "\n")


# ---------------------------------------------------------------- lines


def lines_of_function(cls: type) -> Lines:
    """The lines of a `torch.autograd.Function`; inherited methods point to where they are defined."""
    backward = definition_of(static(cls, "backward")) or definition_of(static(cls, "vjp"))
    return Lines(
        location_of_class(cls),
        definition_of(static(cls, "forward")),
        definition_of(static(cls, "setup_context")),
        backward,
        definition_of(static(cls, "jvp")),
        definition_of(static(cls, "vmap")),
    )


def lines_of_op(function: Any, backward: Any = None, setup_context: Any = None, vmap: Any = None) -> Lines:
    """The lines of a custom op: its function, and what was registered for it."""
    forward = definition_of(function)
    return Lines(
        forward,
        forward,
        definition_of(setup_context),
        definition_of(backward),
        None,
        definition_of(vmap),
    )


def lines_of_registered(path: str, registered: Registered) -> Lines:
    """The lines of an operator that a file registers by name, as far as its text names the functions."""
    text = source_text(path)

    def line_of(name: str) -> Location | None:
        node = definitions.function_named(text, name)
        return _location(path, definitions.header(text, node), name) if node is not None else None

    forward = line_of(registered.implementation)
    backward, setup_context = line_of(registered.backward), line_of(registered.setup_context)
    return Lines(forward or Location(path, registered.line), forward, setup_context, backward)


def lines_of_callable(function: Any) -> Lines:
    """The line of a plain function, which is its forward."""
    where = definition_of(function)
    return Lines(where, where)


def lines_of_module(module: nn.Module | type[nn.Module]) -> Lines:
    """The line of a module's class, and of its forward."""
    cls = module if isinstance(module, type) else type(module)
    return Lines(location_of_class(cls), definition_of(static(cls, "forward")))


def definition_of(value: Any) -> Location | None:
    """The `def` line of the user's own function under its decorators; None for what is not the user's."""
    function = own_function(value)
    if function is None:
        return None
    code = function.__code__
    found = definitions_at(function)
    if found is None:
        return Location(code.co_filename, code.co_firstlineno, function=code.co_qualname)
    return _location(code.co_filename, found, code.co_qualname)


def definitions_at(function: FunctionType) -> Span | None:
    """The `def` line of a function in the text of its file; None for a lambda, or where there is no text."""
    code = function.__code__
    return methods.definition_span(source_text(code.co_filename), code.co_firstlineno, code.co_name)


def location_of_class(cls: type) -> Location | None:
    """The `class` line; the file is that of its own methods, or else of its module."""
    own = [function for value in vars(cls).values() if (function := own_function(value)) is not None]
    inside = [f for f in own if f.__qualname__.startswith(f"{cls.__qualname__}.")]
    path = inside[0].__code__.co_filename if inside else _file_of(cls)
    if path is None:
        return None
    text = source_text(path)
    line = inside[0].__code__.co_firstlineno if inside else None
    node = definitions.class_of(text, cls.__qualname__, line)
    return _location(path, definitions.header(text, node), cls.__qualname__) if node is not None else None


def _file_of(cls: type) -> str | None:
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None)


def _location(path: str, span: Span, function: str | None) -> Location:
    return Location(path, span.line, span.column, span.end_line, span.end_column, function)


# ---------------------------------------------------------------- declarations


def declaration_of(lines: Lines) -> Declaration | None:
    """The approximation that a comment declares on the class line, the backward's line, or right above."""
    for where in (lines.backward, lines.whole):
        if where is None:
            continue
        found = declarations.declaration(source_text(where.path), _places(where))
        if found is not None:
            place = Location(where.path, found.line, found.column, found.line, found.end_column)
            return Declaration(found.kind, place)
    return None


def mistyped_declaration(lines: Lines) -> str:
    """A sentence about a comment that seems to declare an approximation and does not; "" for none."""
    for where in (lines.backward, lines.whole):
        if where is None:
            continue
        found = declarations.mistyped_declaration(source_text(where.path), _places(where))
        if found is not None:
            line, text = found
            return (
                f"line {line}: {text} declares nothing; an approximation is declared by "
                "# gradscope: approximate[straight-through]"
            )
    return ""


def notes_of(lines: Lines) -> tuple[str, ...]:
    """What the report says of the source itself."""
    mistyped = mistyped_declaration(lines)
    return (mistyped,) if mistyped else ()


def _places(where: Location) -> list[int]:
    """The lines of a definition's header, and those of its decorators, where a comment may stand above."""
    text = source_text(where.path)
    function = definitions.function_at(text, *_named(where))
    node = function or definitions.class_of(text, where.function or "", where.line)
    return list(definitions.header_lines(text, node)) if node is not None else [where.line]


# ---------------------------------------------------------------- what the methods do


def context_assignment(subject: Subject, attribute: str) -> Location | None:
    """The statement `ctx.<attribute> = ...` in forward or setup_context."""
    for where in (subject.lines.setup_context, subject.lines.forward):
        if where is not None:
            span = methods.context_attributes(source_text(where.path), *_named(where)).get(attribute)
            if span is not None:
                return _location(where.path, span, where.function)
    return None


def inplace_writes(subject: Subject, argument: str) -> list[Location]:
    """The statements of forward that write into the memory of an argument, in order of lines."""
    return _all(
        subject.lines.forward, lambda text, line, name: mutations.writes_to(text, line, name, argument)
    )


def return_statements(subject: Subject) -> list[Location]:
    """The `return` statements of backward that return something."""
    return _all(subject.lines.backward, methods.return_statements)


def cutting_lines(subject: Subject) -> list[tuple[Location, str]]:
    """Where backward leaves the graph, and what does it: "detach()", ".data", "numpy", "no_grad()"."""
    where = subject.lines.backward
    if where is None:
        return []
    found = methods.cuts(source_text(where.path), *_named(where))
    return [(_location(where.path, cut.span, where.function), cut.what) for cut in found]


def compared_texts(subject: Subject) -> dict[str, list[str]]:
    """Name -> the strings that forward compares it with."""
    where = subject.lines.forward
    return methods.compared_texts(source_text(where.path), *_named(where)) if where is not None else {}


def parameter_uses(subject: Subject) -> dict[str, frozenset[Use]]:
    """Parameter -> how forward and setup_context use it."""
    found: dict[str, frozenset[Use]] = {}
    for where in (subject.lines.forward, subject.lines.setup_context):
        if where is not None:
            for name, uses in uses_of(source_text(where.path), *_named(where)).items():
                found[name] = found.get(name, frozenset()) | uses
    return found


def _all(where: Location | None, question: Callable[[str, int, str], list[Span]]) -> list[Location]:
    if where is None:
        return []
    return [
        _location(where.path, span, where.function)
        for span in question(source_text(where.path), *_named(where))
    ]


def _named(where: Location) -> tuple[int, str]:
    """The line and the bare name of a definition, as questions about methods take them."""
    return where.line, (where.function or "").rpartition(".")[2]
