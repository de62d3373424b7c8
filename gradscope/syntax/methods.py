"""What the methods of a `torch.autograd.Function` do, by their text: ctx, in-place writes, cuts, returns.

A method is given by the line and the name of its `def`, as a code object has them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gradscope.syntax.definitions import FunctionNode, Span, function_at, header, span
from gradscope.syntax.trees import dotted

_CUTTING_METHODS = frozenset(["detach", "detach_", "numpy", "item", "tolist"])
_CUTTING_BLOCKS = frozenset(["no_grad", "inference_mode"])
_COPYING_CALLS = frozenset(["torch.tensor", "torch.as_tensor", "torch.from_numpy"])
_NUMPY = frozenset(["np", "numpy"])


class Cut(NamedTuple):
    """A place where the graph ends, and what ends it ("detach()", ".data", "no_grad", "numpy")."""

    span: Span
    what: str


def context_attributes(source: str, line: int, name: str) -> dict[str, Span]:
    """Attribute -> the statement that first gives `ctx.<attribute>` a value, in a forward or setup_context.

    `ctx` is whatever the first parameter is called.
    """
    node = function_at(source, line, name)
    if node is None:
        return {}
    parameters = [*node.args.posonlyargs, *node.args.args]
    if not parameters:
        return {}
    context = parameters[0].arg
    found: dict[str, Span] = {}
    for statement in _statements(node):
        for attribute in _attributes_set(statement, context):
            found.setdefault(attribute, span(source, statement))
    return found


def return_statements(source: str, line: int, name: str) -> list[Span]:
    """The `return` statements of a method that return something, without those of functions inside."""
    node = function_at(source, line, name)
    if node is None:
        return []
    return [
        span(source, statement)
        for statement in _statements(node)
        if isinstance(statement, ast.Return) and statement.value is not None
    ]


def cuts(source: str, line: int, name: str) -> list[Cut]:
    """Where a method leaves the graph: detach, .data, numpy, item, tolist, no_grad; in order of lines."""
    node = function_at(source, line, name)
    if node is None:
        return []
    found = [cut for statement in _statements(node) for cut in _cuts_of(source, statement)]
    found += [
        Cut(span(source, decorator), f"{_last(decorator)}()")
        for decorator in node.decorator_list
        if _last(decorator) in _CUTTING_BLOCKS
    ]
    return sorted(dict.fromkeys(found))


def compared_texts(source: str, line: int, name: str) -> dict[str, list[str]]:
    """Name -> the strings that a function compares it with: `if reduction == "mean"`, `mode in (...)`."""
    node = function_at(source, line, name)
    found: dict[str, list[str]] = {}
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Compare):
            sides = [inner.left, *inner.comparators]
            texts = [text for side in sides for text in _texts(side)]
            for side in sides:
                if dotted(side) and texts:
                    found.setdefault(dotted(side), []).extend(texts)
        elif isinstance(inner, ast.Match):
            patterns = [part for case in inner.cases for part in ast.walk(case.pattern)]
            values = [part.value for part in patterns if isinstance(part, ast.MatchValue)]
            if dotted(inner.subject):
                found.setdefault(dotted(inner.subject), []).extend(t for v in values for t in _texts(v))
    return {name: list(dict.fromkeys(texts)) for name, texts in found.items() if texts}


@lru_cache(maxsize=4096)
def definition_span(source: str, line: int, name: str) -> Span | None:
    """The `def` line of a function, below its decorators; None where the text has no such function."""
    node = function_at(source, line, name)
    return header(source, node) if node is not None else None


def _statements(node: FunctionNode) -> Iterator[ast.stmt]:
    """The statements of a method, without those of functions and classes inside."""
    waiting: list[ast.AST] = list(reversed(node.body))
    while waiting:
        current = waiting.pop()
        if isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(current, ast.stmt):
            yield current
        waiting += reversed(list(ast.iter_child_nodes(current)))


def _attributes_set(statement: ast.stmt, context: str) -> Iterator[str]:
    match statement:
        case ast.Assign(targets=targets):
            for target in targets:
                yield from _attributes_in(target, context)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _attributes_in(target, context)
        case ast.Expr(
            value=ast.Call(
                func=ast.Name(id="setattr"), args=[ast.Name(id=owner), ast.Constant(value=str(name)), _]
            )
        ) if owner == context:
            yield name


def _attributes_in(target: ast.expr, context: str) -> Iterator[str]:
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _attributes_in(part, context)
        case ast.Starred(value=inner):
            yield from _attributes_in(inner, context)
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == context:
            yield name


def _cuts_of(source: str, statement: ast.stmt) -> Iterator[Cut]:
    if isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            if _last(item.context_expr) in _CUTTING_BLOCKS:
                yield Cut(span(source, item.context_expr), f"{_last(item.context_expr)}()")
    for node in _own_expressions(statement):
        match node:
            case ast.Call(func=ast.Attribute(attr=method)) if method in _CUTTING_METHODS:
                yield Cut(span(source, node), f"{method}()")
            case ast.Call(func=function) if dotted(function) in _COPYING_CALLS:
                yield Cut(span(source, node), f"{dotted(function)}()")
            case ast.Call(func=function) if dotted(function).partition(".")[0] in _NUMPY:
                yield Cut(span(source, node), "numpy")
            case ast.Attribute(attr="data", ctx=ast.Load()):
                yield Cut(span(source, node), ".data")


def _own_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement, without those of statements, functions and lambdas inside."""
    waiting = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt | ast.Lambda):
            continue
        if isinstance(node, ast.expr):
            yield node
        waiting += ast.iter_child_nodes(node)


def _last(node: ast.expr) -> str:
    """The last name of `torch.no_grad()` or `torch.no_grad`."""
    return dotted(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]


def _texts(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return [text for part in parts for text in _texts(part)]
        case _:
            return []
