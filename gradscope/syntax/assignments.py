"""Which way a value goes by names: from the line that computes it into the lines that use it."""

from __future__ import annotations

import ast
from functools import lru_cache

from gradscope.syntax.names import names_in, sources_of, targets_of
from gradscope.syntax.trees import own_statements, parse, scope_of, statement_at

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.For)


def _ends(statement: ast.stmt) -> int:
    return (statement.iter.end_lineno if isinstance(statement, ast.For) else statement.end_lineno) or 0


@lru_cache(maxsize=1024)
def names_fed_by(source: str, line: int) -> frozenset[str]:
    """The names that the value computed on a line flows into, by assignments in the same function."""
    tree = parse(source)
    if tree is None:
        return frozenset()
    scope = scope_of(tree, line)
    statements = [s for s in own_statements(scope) if isinstance(s, _STATEMENTS)]
    fed: set[str] = set()
    for statement in statements:
        if statement.lineno <= line <= _ends(statement):
            fed |= targets_of(statement)
    grown = True
    while grown:
        grown = False
        for statement in statements:
            targets = targets_of(statement)
            if targets - fed and sources_of(statement) & fed:
                fed |= targets
                grown = True
    return frozenset(fed)


@lru_cache(maxsize=4096)
def flows_between(source: str, exit_line: int, entry_line: int) -> bool:
    """Whether a value computed on one line is, by names, used on another of the same function."""
    if exit_line == entry_line:
        return True
    tree = parse(source)
    if tree is None:
        return False
    if scope_of(tree, exit_line) is not scope_of(tree, entry_line):
        return False
    statement = statement_at(source, entry_line)
    if statement is None:
        return False
    if statement.lineno <= exit_line <= _ends(statement):
        return True
    return bool(names_fed_by(source, exit_line) & (sources_of(statement) | _names_of_simple(statement)))


def feeds_itself(source: str, line: int) -> bool:
    """Whether the statement on a line uses what it gives: `out, hidden = model(x, hidden)`."""
    statement = statement_at(source, line)
    return statement is not None and bool(names_fed_by(source, line) & sources_of(statement))


def _names_of_simple(statement: ast.stmt) -> set[str]:
    """All names of a statement that holds no other statements."""
    return (
        set()
        if any(isinstance(n, ast.stmt) for n in ast.walk(statement) if n is not statement)
        else names_in(statement)
    )


def line_assigning(source: str, name: str, before: int) -> int | None:
    """The last line of the function around `before`, above it, that gives this name its value; else None."""
    tree = parse(source)
    if tree is None:
        return None
    lines = [
        statement.lineno
        for statement in own_statements(scope_of(tree, before))
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
        and (statement.end_lineno or statement.lineno) < before
        and name in targets_of(statement)
    ]
    return max(lines, default=None)
