"""The loop around a line, and what is called before it."""

from __future__ import annotations

import ast

from gradscope.syntax.trees import dotted, own_statements, parse, scope_of


def is_in_loop_of(source: str, line: int, inner_line: int) -> bool:
    """Whether a line lies in the innermost loop around `inner_line`; False where that is in none."""
    loop = _loop_around(source, inner_line)
    return loop is not None and loop.lineno <= line <= (loop.end_lineno or loop.lineno)


def calls_before_loop(source: str, function: str, line: int) -> list[int]:
    """Lines that call a function of this name before the innermost loop around `line`, in its function."""
    tree, loop = parse(source), _loop_around(source, line)
    if tree is None or loop is None:
        return []
    found = set()
    for statement in own_statements(scope_of(tree, line)):
        if statement.lineno >= loop.lineno or getattr(statement, "body", None):
            continue
        called = [dotted(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
        if function in [name.rpartition(".")[2] for name in called]:
            found.add(statement.lineno)
    return sorted(found)


def _loop_around(source: str, line: int) -> ast.stmt | None:
    """The innermost loop around a line, in the function that has the line."""
    tree = parse(source)
    if tree is None:
        return None
    around = [
        statement
        for statement in own_statements(scope_of(tree, line))
        if isinstance(statement, ast.For | ast.AsyncFor | ast.While)
        and statement.lineno <= line <= (statement.end_lineno or statement.lineno)
    ]
    return max(around, key=lambda loop: loop.lineno, default=None)
