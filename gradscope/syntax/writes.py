"""Lines that put something into a container, or write elements of an array."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from gradscope.syntax.names import targets_of
from gradscope.syntax.trees import dotted, own_statements, parse, statements

_FILLING_CALLS = frozenset(
    [
        "copyto",
        "fill",
        "fill_diagonal",
        "partition",
        "place",
        "put",
        "put_along_axis",
        "putmask",
        "readinto",
        "recv_into",
        "shuffle",
        "sort",
    ]
)


def keeping_statements(source: str, name: str) -> list[int]:
    """Lines that put something into a container of that name: `x.append(...)`, `x[k] = ...`, `x += ...`."""
    tree = parse(source)
    if tree is None:
        return []
    last = name.rpartition(".")[2]
    return sorted(
        {
            statement.lineno
            for statement in statements(tree)
            if isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign))
            and any(target.rpartition(".")[2] == last for target in targets_of(statement))
            and _grows(statement)
        }
    )


def _grows(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr() | ast.AugAssign():
            return True
        case ast.Assign(targets=[ast.Subscript()]):
            return True
        case ast.Assign(value=ast.BinOp(op=ast.Add())):
            return True
        case _:
            return False


def element_writes(source: str, first: int, last: int) -> list[int]:
    """Lines that write elements of something in place between two lines (inclusive), the likeliest first.

    `a[...] = x`, `a[...] += x`, `np.copyto(a, x)`, `rng.random(out=a)`; then `a += x`: a may be a number.
    Calls in the range are followed one level into functions of the same file.
    """
    tree = parse(source)
    if tree is None:
        return []
    inside = [s for s in statements(tree) if first <= s.lineno <= last]
    direct = _likeliest_first(s for s in inside if _writes_elements(s))
    if direct:
        return direct
    called = {
        name.rpartition(".")[2]
        for statement in inside
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and (name := dotted(node.func))
    }
    return _likeliest_first(
        statement
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name in called
        for statement in own_statements(function)
        if _writes_elements(statement)
    )


def _likeliest_first(statements: Iterable[ast.stmt]) -> list[int]:
    def may_be_a_counter(statement: ast.stmt) -> bool:
        return isinstance(statement, ast.AugAssign) and not isinstance(statement.target, ast.Subscript)

    return [s.lineno for s in sorted(statements, key=lambda s: (may_be_a_counter(s), s.lineno))]


def _writes_elements(statement: ast.stmt) -> bool:
    match statement:
        case ast.AugAssign():
            return True
        case ast.Assign(targets=targets) if any(isinstance(target, ast.Subscript) for target in targets):
            return True
        case ast.Assign(value=ast.Call() as call) | ast.Expr(value=ast.Call() as call):
            return _fills(call)
        case _:
            return False


def _fills(call: ast.Call) -> bool:
    """Whether a call writes into an array that it is given: `np.copyto(a, x)`, `a.fill(0)`, `f(x, out=a)`."""
    is_ufunc_at = isinstance(call.func, ast.Attribute) and call.func.attr == "at"
    name = dotted(call.func).rpartition(".")[2]
    return is_ufunc_at or name in _FILLING_CALLS or any(keyword.arg == "out" for keyword in call.keywords)
