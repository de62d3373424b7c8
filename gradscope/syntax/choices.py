"""What a number that a line computes is used for: it decides what runs next, fills a tensor, is returned."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from gradscope.syntax.assignments import names_fed_by
from gradscope.syntax.names import names_in
from gradscope.syntax.trees import dotted, own_statements, parse, scope_of, statement_at

_TELLING = frozenset(["print", "log", "info", "debug", "warn", "warning", "error", "write", "set_postfix"])
_LOOKUPS = frozenset(["get", "getattr", "range", "narrow"])


@lru_cache(maxsize=1024)
def chooses(source: str, line: int) -> bool:
    """Whether the value computed on a line, or a name it is given to, decides what is computed.

    A test whose branches only tell, raise or leave decides nothing that a loss could depend on.
    """
    tree = parse(source)
    if tree is None:
        return False
    names = names_fed_by(source, line)
    return any(
        first <= line <= last or names & names_in(node)
        for node in _deciding(scope_of(tree, line))
        for first, last in [(node.lineno, node.end_lineno or node.lineno)]
    )


@lru_cache(maxsize=1024)
def fills_tensor(source: str, line: int) -> bool:
    """Whether the value computed on a line is handed to a constructor like `torch.FloatTensor(numbers)`."""
    tree = parse(source)
    if tree is None:
        return False
    names = names_fed_by(source, line)
    return any(
        isinstance(node, ast.Call)
        and _name(node.func).endswith("Tensor")
        and (node.lineno <= line <= (node.end_lineno or 0) or any(names & names_in(a) for a in node.args))
        for statement in own_statements(scope_of(tree, line))
        for node in _own_expressions(statement)
    )


def returns(source: str, line: int) -> bool:
    """Whether the value computed on a line is, by itself, what its function returns."""
    tree, statement = parse(source), statement_at(source, line)
    if tree is None:
        return False
    if isinstance(statement, ast.Return):
        return not isinstance(statement.value, ast.Tuple | ast.Dict | ast.List)
    names = names_fed_by(source, line)
    return any(
        isinstance(one, ast.Return) and isinstance(one.value, ast.expr) and dotted(one.value) in names
        for one in own_statements(scope_of(tree, line))
    )


def _deciding(scope: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a function that decide: tests, indices, lengths of loops, keys."""
    for statement in own_statements(scope):
        if isinstance(statement, ast.If | ast.While):
            if _computes(statement.body) or _computes(statement.orelse):
                yield statement.test
        elif isinstance(statement, ast.Match):
            yield statement.subject
        for node in _own_expressions(statement):
            match node:
                case ast.IfExp(test=test):
                    yield test
                case ast.Subscript(slice=index, ctx=ast.Load()):
                    yield index
                case ast.Call(func=function, args=args) if _name(function) in _LOOKUPS:
                    yield from args


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else dotted(function)


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    stack = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    while stack:
        node = stack.pop()
        yield node
        stack += [inner for inner in ast.iter_child_nodes(node) if not isinstance(inner, ast.stmt)]


def _computes(body: list[ast.stmt]) -> bool:
    """Whether a branch does more than tell, raise or leave."""
    return any(_is_computing(statement) for statement in body)


def _is_computing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Pass() | ast.Assert() | ast.Delete():
            return False
        case ast.Return(value=value):
            return value is not None and not isinstance(value, ast.Constant)
        case ast.Expr(value=ast.Call(func=function)):
            return _name(function) not in _TELLING
        case ast.Expr():
            return False
        case ast.If(body=body, orelse=orelse):
            return _computes(body) or _computes(orelse)
        case _:
            return True
