"""The tree of a file's text, its statements, and the function around a line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache


@lru_cache(maxsize=256)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a file's text, None where it does not parse."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield node


def statement_at(source: str, line: int) -> ast.stmt | None:
    """The innermost statement that covers a line."""
    tree = parse(source)
    if tree is None:
        return None
    covering = [s for s in statements(tree) if s.lineno <= line <= (s.end_lineno or s.lineno)]
    return max(covering, key=lambda s: (s.lineno, -(s.end_lineno or 0)), default=None)


def scope_of(tree: ast.Module, line: int) -> ast.AST:
    """The innermost function around a line; the module itself where there is none."""
    scope: ast.AST = tree
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.lineno <= line <= (node.end_lineno or 0)
            and (scope is tree or node.lineno > scope.lineno)  # type: ignore[attr-defined]
        ):
            scope = node
    return scope


def own_statements(scope: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a function or module, without those of functions and classes inside."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.stmt):
            yield node
        stack[:0] = list(ast.iter_child_nodes(node))


def dotted(node: ast.expr) -> str:
    """`self.total` as text; empty for anything that is not names joined by dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""
