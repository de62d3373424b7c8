"""An op as the program writes it: which call it is, what it overwrites, whether it drops elements."""

from __future__ import annotations

import ast

from gradscope.rules._parts import method, source, written_to
from gradscope.rules._source import expression, simple_statement

_LONGEST = 40
_OVERWRITING = (
    "zero_",
    "fill_",
    "copy_",
    "masked_fill_",
    "index_fill_",
    "index_copy_",
    "index_put_",
    "scatter_",
)


def op_as_written(op: str, text: str) -> str:
    """ "`emb(x)`" or "pow in `a ** b`"; the op's name alone where `text` is not one expression."""
    called = shown(text)
    if called is None:
        return op
    names_it = op.replace("_", "").lower() in called.replace("_", "").lower()
    return f"`{called}`" if names_it else f"{op} in `{called}`"


def shown(text: str) -> str | None:
    """An expression short enough for a sentence: "net(a, b)", else "net(...)"; None for a longer one."""
    node = expression(text)
    if node is None or isinstance(node, ast.Name | ast.Constant):
        return None
    too_long = len(text) > _LONGEST
    short = f"{source(node.func, text)}(...)" if too_long and isinstance(node, ast.Call) else text
    return short if len(short) <= _LONGEST else None


def overwritten(text: str, statement: str) -> str | None:
    """The name whose elements are overwritten: "h" of "h[:, 0] = 0", of "h.zero_()", of "h[0].copy_(x)"."""
    node = expression(text)
    if isinstance(node, ast.Subscript) and isinstance(simple_statement(statement), ast.Assign):
        return written_to(f"{text} = 0")
    return written_to(text) if method(text) in _OVERWRITING else None


def drops(text: str) -> bool:
    """Whether a call is, by its name, a dropout: "self.drop(x)", "F.dropout(x)", "drop_path(x, 0.1)"."""
    return isinstance(expression(text), ast.Call) and "drop" in (method(text) or "").lower()
