"""`--input` strings: read with `ast` and built by hand, never evaluated as code.

    expression  randn(8, 3, 32, 32) | 3 * randn(6) | ones(4, 4).triu(1).bool() | 'relu' | [randn(2), 1]
    named       ids=randint(0, 100, (2, 16))

What is not in the tables below is refused, with a caret at the part that is.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from gradscope.errors import InputError, caret, did_you_mean

_FACTORY_NAMES = (
    *("randn", "rand", "randint", "randperm", "zeros", "ones", "full"),
    *("arange", "linspace", "eye", "tensor"),
)
_FACTORIES: Mapping[str, Callable[..., Any]] = {name: getattr(torch, name) for name in _FACTORY_NAMES}
_METHODS = (
    *(
        "abs",
        "clamp",
        "cos",
        "exp",
        "log",
        "neg",
        "round",
        "sigmoid",
        "sign",
        "sin",
        "softmax",
        "sqrt",
        "tanh",
    ),
    *("bfloat16", "bool", "double", "float", "half", "int", "long", "to"),
    *("contiguous", "expand", "flatten", "permute", "repeat", "reshape", "squeeze", "t", "transpose"),
    *("unsqueeze", "view", "tril", "triu", "masked_fill", "mean", "sum", "requires_grad_"),
)
_ATTRIBUTES = frozenset({"T", "mT"})
_DTYPE_NAMES = (
    *("float16", "float32", "float64", "bfloat16", "half", "float", "double"),
    *("int8", "int16", "int32", "int64", "int", "long", "uint8", "bool", "complex64", "complex128"),
)
_CONSTANTS: Mapping[str, Any] = {
    **{name: getattr(torch, name) for name in _DTYPE_NAMES},
    "inf": float("inf"),
    "nan": float("nan"),
    "pi": torch.pi,
}
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)")
_EXAMPLES = ("--input 'randn(8, 3, 32, 32)'", "--input 'ids=randint(0, 100, (2, 16))'")


@dataclass(frozen=True, slots=True)
class Given:
    """One `--input`: the name before `=`, or None, its value and the text it was read from."""

    name: str | None
    value: Any
    text: str


def read_input(text: str) -> Given:
    """Reads one `--input` string; raises InputError with a caret at the part that is not understood.

    Tensors are made on the default device, in the default dtype, from the default generators.
    """
    named = _NAMED.match(text)
    start = named.end() if named else 0
    body = text[start:]
    start += len(body) - len(body.lstrip())
    body = body.strip()
    reader = _Reader(text, start, body)
    return Given(named.group(1) if named else None, reader.value(reader.parse()), text)


class _Reader:
    """Walks the tree of one expression; `start` is where it begins in the whole option text."""

    def __init__(self, text: str, start: int, body: str) -> None:
        self.text = text
        self.start = start
        self.body = body

    def parse(self) -> ast.expr:
        if not self.body:
            raise self.refused("there is no expression", self.start, self.start + 1)
        try:
            return ast.parse(self.body, mode="eval").body
        except (SyntaxError, ValueError) as error:
            offset = (getattr(error, "offset", None) or 1) - 1
            end = max((getattr(error, "end_offset", None) or 0) - 1, offset + 1)
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise self.refused(
                f"it is not an expression: {reason}", self.start + offset, self.start + end
            ) from None

    def value(self, node: ast.expr) -> Any:
        """The value of one part of the expression."""
        match node:
            case ast.Constant(value=bool() | int() | float() | complex() | str() | None as value):
                return value
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Dict(keys=keys, values=values):
                return {self.key(key, node): self.value(part) for key, part in zip(keys, values, strict=True)}
            case ast.UnaryOp(op=op, operand=operand):
                return self.computed(node, _UNARY[type(op)], self.value(operand))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return self.arithmetic(node, _BINARY[type(op)], self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return self.computed(node, _COMPARE[type(op)], self.value(left), self.value(right))
            case ast.Name(id=name):
                return self.constant(node, name)
            case ast.Attribute(value=ast.Name(id="torch"), attr=name):
                return self.constant(node, name)
            case ast.Attribute(value=owner, attr=name) if name in _ATTRIBUTES:
                return self.computed(node, getattr, self.tensor(owner), name)
            case ast.Call(func=function):
                return self.call(node, function)
        raise self.refused_at(node, "this is not something an input can be made of")

    def key(self, key: ast.expr | None, owner: ast.expr) -> Any:
        if key is None:
            raise self.refused_at(owner, "** is not something an input can be made of")
        return self.value(key)

    def constant(self, node: ast.expr, name: str) -> Any:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in _FACTORIES:
            raise self.refused_at(node, f"{name} needs its arguments, as in {name}({_arguments_of(name)})")
        raise self.refused_at(
            node, f"there is no {name} here{did_you_mean(name, [*_FACTORIES, *_CONSTANTS])}"
        )

    def call(self, node: ast.Call, function: ast.expr) -> Any:
        match function:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="torch"), attr=name):
                if name not in _FACTORIES:
                    known = [*_FACTORIES] if name not in _METHODS else []
                    hint = (
                        f"; as a method: randn(3).{name}()" if name in _METHODS else did_you_mean(name, known)
                    )
                    raise self.refused_at(function, f"{name} is not a factory that --input knows{hint}")
                target = _FACTORIES[name]
            case ast.Attribute(value=owner, attr=name):
                if name not in _METHODS:
                    guess = did_you_mean(name, _METHODS)
                    raise self.refused_name(
                        function, name, f".{name}() is not a method that --input knows{guess}"
                    )
                target = getattr(self.tensor(owner), name)
            case _:
                raise self.refused_at(function, "only factories and tensor methods can be called")
        arguments = [self.value(argument) for argument in node.args]
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.refused_at(keyword.value, "** is not something an input can be made of")
            keywords[keyword.arg] = self.value(keyword.value)
        return self.computed(node, target, *arguments, **keywords)

    def tensor(self, node: ast.expr) -> torch.Tensor:
        found = self.value(node)
        if not isinstance(found, torch.Tensor):
            raise self.refused_at(
                node, f"this is of type {type(found).__name__}, and only tensors have methods here"
            )
        return found

    def arithmetic(self, node: ast.expr, function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        for side in (left, right):
            # A repeated list or a power of integers can fill the memory before anything is said.
            if isinstance(side, str | list | tuple | dict):
                raise self.refused_at(
                    node, f"arithmetic takes numbers and tensors, not a {type(side).__name__}"
                )
        if (
            function is operator.pow
            and isinstance(left, int)
            and isinstance(right, int)
            and abs(right) > 1024
        ):
            raise self.refused_at(node, "this power is too large")
        return self.computed(node, function, left, right)

    def computed(self, node: ast.expr, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except Exception as error:  # noqa: BLE001  torch's own reason is the message
            reason = str(error).strip().partition("\n")[0]
            raise self.refused_at(node, f"torch refuses this: {reason}") from None

    def refused_at(self, node: ast.expr, reason: str) -> InputError:
        return self.refused(reason, self.column(node.lineno, node.col_offset), self.end(node))

    def refused_name(self, node: ast.expr, name: str, reason: str) -> InputError:
        return self.refused(reason, self.end(node) - len(name), self.end(node))

    def end(self, node: ast.expr) -> int:
        return self.column(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)

    def column(self, line: int, byte_offset: int) -> int:
        """Where a place of the tree (line from 1, bytes) lies in the option's text, in characters."""
        lines = self.body.split("\n")
        before = sum(len(other) + 1 for other in lines[: line - 1])
        return self.start + before + len(lines[line - 1].encode()[:byte_offset].decode(errors="ignore"))

    def refused(self, reason: str, start: int, end: int) -> InputError:
        where = caret(self.text.replace("\n", " "), start, end, label="--input")
        return InputError(f"this --input cannot be used: {reason}", where=where, try_next=_EXAMPLES)


def _arguments_of(name: str) -> str:
    return {
        "randint": "0, 10, (8,)",
        "full": "(8, 3), 0.5",
        "arange": "8",
        "randperm": "8",
        "linspace": "0, 1, 8",
        "eye": "4",
        "tensor": "[1.0, 2.0]",
    }.get(name, "8, 3")


def describe(value: object) -> str:
    """A value in a few words: "float32 (8, 3)" for a tensor, its text for anything small."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = ", ".join(describe(part) for part in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return repr(value)
