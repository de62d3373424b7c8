"""What a function does with its parameters, by its text: called, indexed with, counted with, taken apart."""

from __future__ import annotations

import ast
from enum import StrEnum

from gradscope.syntax.definitions import FunctionNode, function_at
from gradscope.syntax.trees import dotted

_SAVING = frozenset(["save_for_backward", "save_for_forward", "mark_dirty", "mark_non_differentiable"])
_INDEXED_FIRST = frozenset(["bincount", "embedding", "one_hot"])
_INDEXED_AFTER_DIM = frozenset(
    [
        "gather",
        "index_add",
        "index_add_",
        "index_select",
        "scatter",
        "scatter_",
        "scatter_add",
        "scatter_add_",
        "scatter_reduce",
        "scatter_reduce_",
    ]
)
"""`x.gather(dim, index)` and `torch.gather(x, dim, index)`."""

_FUNCTIONS = frozenset(["torch", "F"])
_COUNTING = frozenset(["range", "int", "float", "arange", "bool"])
_DIMENSIONS = frozenset(["dim", "axis", "dims", "keepdim", "eps", "stride", "padding", "dilation", "groups"])
_ON_STRINGS = frozenset(["lower", "upper", "startswith", "endswith", "strip", "split", "format"])


class Use(StrEnum):
    """One way in which a function uses a parameter."""

    CALLED = "called"
    TENSOR = "tensor"  # an attribute of it is read, or it is saved for backward
    INDEX = "index"  # elements are picked by it
    NUMBER = "number"  # it counts, or says which dimension
    LIST = "list"  # its length is asked, or it is looped over or unpacked
    KEPT = "kept"  # `ctx.name = name`: seldom a tensor
    FLAG = "flag"  # it is itself a test: `if name`, `not name`


def uses_of(source: str, line: int, name: str) -> dict[str, frozenset[Use]]:
    """Parameter -> how the function at a line uses it; nothing for one that it uses in no telling way."""
    node = function_at(source, line, name)
    if node is None:
        return {}
    parameters = _parameters(node)
    found: dict[str, set[Use]] = {}
    for inner in ast.walk(node):
        for parameter, use in _uses_in(inner):
            if parameter in parameters:
                found.setdefault(parameter, set()).add(use)
    return {parameter: frozenset(uses) for parameter, uses in found.items()}


def _parameters(node: FunctionNode) -> set[str]:
    arguments = node.args
    return {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def _uses_in(node: ast.AST) -> list[tuple[str, Use]]:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr not in _ON_STRINGS:
            return [(name, Use.TENSOR)]
        case ast.BinOp(op=ast.MatMult(), left=left, right=right):
            return _names([left, right], Use.TENSOR)
        case ast.Subscript(value=owner, slice=index):
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            return [*_names([owner], Use.TENSOR), *_names(parts, Use.INDEX)]
        case ast.For(iter=ast.Name(id=name)) | ast.Starred(value=ast.Name(id=name)):
            return [(name, Use.LIST)]
        case ast.Assign(targets=[ast.Attribute(value=ast.Name())], value=ast.Name(id=name)):
            return [(name, Use.KEPT)]
        case ast.If(test=test) | ast.IfExp(test=test) | ast.UnaryOp(op=ast.Not(), operand=test):
            return _names([test], Use.FLAG)
        case ast.BoolOp(op=ast.And(), values=values):
            return _names(values, Use.FLAG)
        case ast.Call():
            return _uses_in_call(node)
        case _:
            return []


def _uses_in_call(call: ast.Call) -> list[tuple[str, Use]]:
    found = [
        (word.value.id, Use.NUMBER)
        for word in call.keywords
        if word.arg in _DIMENSIONS and isinstance(word.value, ast.Name)
    ]
    full = dotted(call.func)
    last = call.func.attr if isinstance(call.func, ast.Attribute) else full
    if isinstance(call.func, ast.Name):
        found.append((call.func.id, Use.CALLED))
    if last in _SAVING:
        found += _names(call.args, Use.TENSOR)
    elif last in _INDEXED_FIRST:
        found += _names([_owner(each) for each in call.args[:1]], Use.INDEX)
    elif last in _INDEXED_AFTER_DIM:
        place = 2 if full.partition(".")[0] in _FUNCTIONS else 1
        found += _names([_owner(each) for each in call.args[place : place + 1]], Use.INDEX)
    elif last in _COUNTING or full.startswith("math."):
        found += _names(call.args, Use.NUMBER)
    elif last == "len":
        found += _names(call.args, Use.LIST)
    return found


def _owner(node: ast.expr) -> ast.expr:
    """`target` of `target.unsqueeze(1)`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return node


def _names(nodes: list[ast.expr], use: Use) -> list[tuple[str, Use]]:
    return [(node.id, use) for node in nodes if isinstance(node, ast.Name)]
