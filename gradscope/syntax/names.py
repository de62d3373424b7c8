"""The names that a statement gives values to, and those that it takes its value from."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradscope.syntax.trees import dotted, parse, scope_of, statement_at

_GROWING_METHODS = frozenset(
    ["append", "extend", "insert", "add", "appendleft", "update", "setdefault", "put"]
)


_PART_METHODS = frozenset(["setdefault", "get"])  # what they give is a part of their container


def names_in(node: ast.AST | None) -> set[str]:
    """Names and dotted names (`self.total`) that an expression mentions."""
    found: set[str] = set()
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            found.add(f"{inner.value.id}.{inner.attr}")
    return found - {"self"}


def targets_of(statement: ast.stmt) -> set[str]:
    """The names a statement gives a value to, or whose container it grows."""
    match statement:
        case ast.Assign(targets=targets):
            return {name for target in targets for name in target_names(target)}
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            return set(target_names(target))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr))) if attr in _GROWING_METHODS:
            return set(target_names(owner))
        case _:
            return set()


def target_names(target: ast.expr) -> Iterator[str]:
    """The names that a target of an assignment, or a container that is grown, goes by."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from target_names(element)
    elif isinstance(target, (ast.Subscript, ast.Starred)):
        yield from target_names(target.value)
    elif isinstance(target, ast.Call):
        if isinstance(target.func, ast.Attribute) and target.func.attr in _PART_METHODS:
            yield from target_names(target.func.value)
    else:
        name = dotted(target)
        if name:
            yield name


def sources_of(statement: ast.stmt) -> set[str]:
    """The names a statement takes its value from."""
    match statement:
        case ast.Assign(value=value) | ast.Return(value=value) | ast.AnnAssign(value=value):
            return names_in(value)
        case ast.AugAssign(target=target, value=value):
            return names_in(value) | set(target_names(target))
        case ast.For(iter=iterated):
            return names_in(iterated)
        case ast.Expr(value=value):
            return names_in(value)
        case _:
            return set()


def assigned_names(source: str, line: int) -> frozenset[str]:
    """The names that the statement on a line gives a value to: `self.total`, `out` and `hidden`."""
    statement = statement_at(source, line)
    return frozenset(targets_of(statement)) if statement is not None else frozenset()


def gathered_names(source: str, line: int) -> frozenset[str]:
    """The parameters `*args` and `**kwargs` of the function around a line: tuples and dicts, no tensors."""
    tree = parse(source)
    scope = scope_of(tree, line) if tree is not None else None
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset()
    return frozenset(one.arg for one in (scope.args.vararg, scope.args.kwarg) if one is not None)
