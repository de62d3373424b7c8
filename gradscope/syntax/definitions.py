"""Where functions and classes are defined in a text: `def` and `class` lines, by name and by line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from gradscope.syntax.trees import parse

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_KINDS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Span(NamedTuple):
    """A stretch of text. Lines and columns are 1-based, columns count characters, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def span(source: str, node: ast.stmt | ast.expr) -> Span:
    """The stretch of text of a statement or an expression."""
    lines = _lines(source)
    end = node.end_lineno or node.lineno
    return Span(
        node.lineno,
        _character(lines, node.lineno, node.col_offset) + 1,
        end,
        _character(lines, end, node.end_col_offset or 0) + 1,
    )


def header(source: str, node: Definition) -> Span:
    """A definition's first line, from its keyword to the end of the text there."""
    lines = _lines(source)
    text = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
    start = _character(lines, node.lineno, node.col_offset) + 1
    first = node.body[0]
    if first.lineno == node.lineno:  # the body stands on the same line
        text = text[: _character(lines, first.lineno, first.col_offset)]
    end = len(text.partition("  #")[0].rstrip()) + 1
    return Span(node.lineno, start, node.lineno, max(end, start + 1))


@lru_cache(maxsize=4096)
def function_at(source: str, line: int, name: str) -> FunctionNode | None:
    """The `def` of that name whose decorators or keyword stand on a line, as a code object counts it."""
    for _, node in _definitions(source):
        if isinstance(node, ast.ClassDef) or node.name != name:
            continue
        if first_line(node) <= line <= node.lineno:
            return node
    return None


def function_named(source: str, qualified: str) -> FunctionNode | None:
    """The last `def` of a qualified name ("forward", "Layer.forward")."""
    found = [
        node
        for name, node in _definitions(source)
        if name == qualified and not isinstance(node, ast.ClassDef)
    ]
    return found[-1] if found else None


def class_of(source: str, qualified: str, inside: int | None = None) -> ast.ClassDef | None:
    """The class of a qualified name ("Outer.Inner", "make.<locals>.Inner").

    Where a name is defined several times, the one whose body has the line `inside`, else the last.
    """
    found = [
        node for name, node in _definitions(source) if name == qualified and isinstance(node, ast.ClassDef)
    ]
    if inside is not None:
        around = [node for node in found if first_line(node) <= inside <= (node.end_lineno or 0)]
        found = around or found
    return found[-1] if found else None


def first_line(node: Definition) -> int:
    """The line of the first decorator, or of the keyword."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def header_lines(source: str, node: Definition) -> range:
    """The lines of a definition's decorators and of its header, to the colon."""
    last = max(node.lineno, node.body[0].lineno - 1)
    lines = _lines(source)
    ends = (n for n in range(node.lineno, last) if lines[n - 1].partition("#")[0].rstrip().endswith(":"))
    last = next(ends, last)
    return range(first_line(node), last + 1)


def is_promise(node: FunctionNode) -> bool:
    """Whether a function only raises NotImplementedError, or has no statement but `...` and `pass`."""
    rest = [each for each in node.body if not isinstance(each, ast.Pass) and not _is_text(each)]
    match rest:
        case []:
            return True
        case [ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name)))]:
            return name == "NotImplementedError"
        case _:
            return False


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring or `...`."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@lru_cache(maxsize=64)
def _definitions(source: str) -> tuple[tuple[str, Definition], ...]:
    tree = parse(source)
    return tuple(_below(tree, "")) if tree is not None else ()


def _below(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _KINDS):
            name = prefix + child.name
            yield name, child
            yield from _below(child, f"{name}." if isinstance(child, ast.ClassDef) else f"{name}.<locals>.")
        else:
            yield from _below(child, prefix)


@lru_cache(maxsize=64)
def _lines(source: str) -> tuple[str, ...]:
    return tuple(source.split("\n"))


def _character(lines: tuple[str, ...], line: int, byte_offset: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return byte_offset if text.isascii() else len(text.encode()[:byte_offset].decode(errors="ignore"))
