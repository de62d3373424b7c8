"""The expression at a place in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache

from gradscope.syntax.names import targets_of
from gradscope.syntax.trees import dotted, parse, statements


@lru_cache(maxsize=1024)
def expression_at(
    source: str, line: int, column: int, end_line: int, end_column: int
) -> tuple[str | None, str | None]:
    """(the variable an expression is assigned to, its text); columns are 1-based and count characters.

    The variable is None where the expression is only a part of what is assigned. What `l *= a` assigns to
    `l` is `l * a`; a part of a tensor has no variable, and `b[0] += 1` is given as it stands.
    """
    tree = parse(source)
    if tree is None:
        return None, None
    lines = source.splitlines()
    place = (line, column, end_line, end_column)
    for statement in statements(tree):
        if not statement.lineno <= line <= (statement.end_lineno or 0):
            continue
        if isinstance(statement, ast.AugAssign) and _covers(statement, lines, place):
            return dotted(statement.target) or None, _written_out(statement, source)
        value = getattr(statement, "value", None)
        if isinstance(value, ast.expr) and _at(value, lines, place):
            names = targets_of(statement)
            name = (
                next(iter(names))
                if len(names) == 1 and isinstance(statement, (ast.Assign, ast.AnnAssign))
                else None
            )
            return name, ast.get_source_segment(source, value)
    for node in _expressions(tree):
        if _at(node, lines, place):
            return None, ast.get_source_segment(source, node)
    return None, None


def _written_out(statement: ast.AugAssign, source: str) -> str | None:
    """`l * (a + 1)` for `l *= a + 1`, the statement itself where it changes a part of something."""
    texts = [ast.get_source_segment(source, part) for part in (statement, statement.target, statement.value)]
    whole, target, value = texts
    if not dotted(statement.target) or whole is None or target is None or value is None:
        return whole
    sign = whole[len(target) :].partition("=")[0].strip(" \t\\\n")
    return f"{target} {sign} {value if isinstance(statement.value, _UNBROKEN) else f'({value})'}"


_UNBROKEN = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call)


def _expressions(tree: ast.AST, kinds: tuple[type[ast.expr], ...] = (ast.expr,)) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield node


def _at(node: ast.expr, lines: Sequence[str], place: tuple[int, int, int, int]) -> bool:
    start = _characters(lines, node.lineno, node.col_offset) + 1
    end = _characters(lines, node.end_lineno or node.lineno, node.end_col_offset or 0) + 1
    return (node.lineno, start, node.end_lineno, end) == place


def _covers(statement: ast.stmt, lines: Sequence[str], place: tuple[int, int, int, int]) -> bool:
    start = _characters(lines, statement.lineno, statement.col_offset) + 1
    end = _characters(lines, statement.end_lineno or 0, statement.end_col_offset or 0) + 1
    return (statement.lineno, start, statement.end_lineno, end) == place


def _characters(lines: Sequence[str], line: int, byte_offset: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return byte_offset if text.isascii() else len(text.encode()[:byte_offset].decode(errors="ignore"))
