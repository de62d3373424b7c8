"""Operators that a text registers with `torch.library` under a name: which functions implement them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gradscope.syntax.trees import dotted, parse

_IMPLEMENTING = frozenset(["impl", "register_kernel"])


class Registered(NamedTuple):
    """An operator ("mylib::sin") that `register_autograd` is called for, and the names it is given."""

    op: str
    line: int
    backward: str
    setup_context: str
    implementation: str  # "" where none is found by its text


@lru_cache(maxsize=64)
def registered_autograds(source: str) -> tuple[Registered, ...]:
    """Every `register_autograd("namespace::name", backward, setup_context=...)`, in order of lines."""
    tree = parse(source)
    if tree is None:
        return ()
    found = [
        Registered(op, call.lineno, *_functions(call), _implementation(tree, op))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _last(call.func) == "register_autograd"
        for op in _named(call)
    ]
    return tuple(sorted(found, key=lambda each: each.line))


def _named(call: ast.Call) -> Iterator[str]:
    """The name of an operator that a call is given first, as text."""
    match call.args:
        case [ast.Constant(value=str(name)), *_] if "::" in name:
            yield name


def _functions(call: ast.Call) -> tuple[str, str]:
    words = {word.arg: dotted(word.value) for word in call.keywords}
    backward = dotted(call.args[1]) if len(call.args) > 1 else words.get("backward", "")
    return backward, words.get("setup_context", "")


def _implementation(tree: ast.Module, op: str) -> str:
    """The function that is decorated as, or given to, `impl(...)` for the operator."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            if any(_implements(call, op) for call in calls):
                return node.name
        if isinstance(node, ast.Call) and _implements(node, op) and len(node.args) > 1:
            given = [dotted(argument) for argument in node.args[1:]]
            words = [dotted(word.value) for word in node.keywords if word.arg == "func"]
            if any(given + words):
                return next(name for name in given + words if name)
    return ""


def _implements(call: ast.Call, op: str) -> bool:
    if _last(call.func) not in _IMPLEMENTING:
        return False
    texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
    return op in texts or op.rpartition("::")[2] in texts


def _last(function: ast.expr) -> str:
    return dotted(function).rpartition(".")[2]
