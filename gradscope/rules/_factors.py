"""The factor of zeros that a gradient was multiplied by, as the program writes it."""

from __future__ import annotations

import ast

from gradscope.facts import ZeroedAt
from gradscope.rules._parts import source
from gradscope.rules._source import expression as expression_of
from gradscope.rules._words import stem

LAYERS = ("Mm", "Addmm", "Bmm", "Baddbmm", "Mv", "Dot", "Convolution", "Addmv", "Linear")
_FIRST = ("self", "mat1", "input", "mat", "batch1", "vec1", "tensor1")
_SECOND = ("other", "mat2", "weight", "vec", "tensor", "batch2", "vec2", "tensor2")
_METHODS = ("mul", "mul_", "matmul", "mm", "bmm", "mv", "dot", "multiply")


def factor_words(fact: ZeroedAt, expression: str) -> str:
    """The zero factor as the program writes it: a leaf by its name, else by the op's own operands."""
    assert fact.factor is not None
    name = fact.factor if fact.factor_is_leaf else written_operand(fact.factor, expression)
    if name:
        return f"`{name}`"
    return "its input" if fact.factor in _FIRST and stem(fact.node) in LAYERS else "its other factor"


def written_operand(saved_name: str, text: str) -> str | None:
    """The text of an operand that autograd saved under this name: "other" of "h * mask" is "mask"."""
    if saved_name not in (*_FIRST, *_SECOND):
        return saved_name
    node = expression_of(text)
    second = saved_name in _SECOND
    if isinstance(node, ast.BinOp):
        return source(node.right if second else node.left, text)
    if not isinstance(node, ast.Call):
        return None
    in_torch = source(node.func, text).startswith(("torch.", "F.", "nn.functional."))
    operands = list(node.args)
    if not in_torch and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        operands.insert(0, node.func.value)
    elif not in_torch and second:
        return None  # the weight of a layer that is called
    return source(operands[second], text) if len(operands) > second else None
