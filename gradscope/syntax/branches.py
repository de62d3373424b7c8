"""Which test decided that one place of a function ran and not another."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TypeAlias

from gradscope.syntax.trees import parse, scope_of

Point: TypeAlias = tuple[int, int]  # line and column, from 1
Span: TypeAlias = tuple[int, int, int, int]  # line, column, end line, end column (exclusive), from 1


@lru_cache(maxsize=256)
def deciding_test(source: str, one: Point, other: Point | None) -> Span | None:
    """The test or the iterable between two places of one function, where one branch or loop has only one.

    Of several, the first in the source: there the two ways part. `other` is None for the function's end;
    then there must be a single one. None where no statement and no conditional expression decides.
    """
    tree = parse(source)
    if tree is None or one == other:
        return None
    tests = [
        test
        for node in ast.walk(scope_of(tree, one[0]))
        for test, branches in _branches(node)
        if any(_covers(branch, one) != _covers(branch, other) for branch in branches)
    ]
    if other is None and len(tests) > 1:
        return None
    first = min(tests, key=lambda test: (test.lineno, test.col_offset), default=None)
    if first is None:
        return None
    end_line, end_column = first.end_lineno or first.lineno, first.end_col_offset or first.col_offset
    return first.lineno, first.col_offset + 1, end_line, end_column + 1


def _branches(node: ast.AST) -> list[tuple[ast.expr, list[list[ast.AST]]]]:
    """The tests of a node, each with the branches it decides about."""
    match node:
        case ast.If(test=test, body=body, orelse=orelse) | ast.While(test=test, body=body, orelse=orelse):
            return [(test, [list(body), list(orelse)])]
        case ast.For(iter=iterable, body=body) | ast.AsyncFor(iter=iterable, body=body):
            return [(iterable, [list(body)])]
        case ast.IfExp(test=test, body=single, orelse=alternative):
            return [(test, [[single], [alternative]])]
    return []


def _covers(branch: list[ast.AST], point: Point | None) -> bool:
    return point is not None and any(_start(node) <= (point[0], point[1] - 1) < _end(node) for node in branch)


def _start(node: ast.AST) -> Point:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _end(node: ast.AST) -> Point:
    return getattr(node, "end_lineno", 0) or 0, getattr(node, "end_col_offset", 0) or 0
