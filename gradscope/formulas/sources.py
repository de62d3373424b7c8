"""Custom Functions and custom ops by the text of their file, which is read and not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from gradscope.syntax.definitions import FunctionNode, class_of, first_line, function_named
from gradscope.syntax.registrations import registered_autograds
from gradscope.syntax.trees import dotted, parse

_METHODS = ("forward", "setup_context", "backward", "vjp", "jvp", "vmap")
_DECORATORS = ("custom_op", "triton_op")
_GENERATED = "GeneratedBackwardFor_"


@dataclass(frozen=True, slots=True)
class SourcePart:
    """A method or function as it is written: `role` is "forward", "backward" and so on."""

    role: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class CustomSource:
    """A `torch.autograd.Function` or a custom op ("mylib::sin"), and the methods that it is made of.

    `node` is the name of the backward node that it leaves, `line` that of its definition. `saved` are the
    texts that its forward saves ("x", "ctx.p"), in the order of their lines.
    """

    name: str
    kind: str  # "torch.autograd.Function" or "custom op"
    node: str
    line: int
    parts: tuple[SourcePart, ...]
    saved: tuple[str, ...] = ()


def custom_sources(text: str) -> tuple[CustomSource, ...]:
    """All that a file defines, in the order of their lines; () also where it does not parse."""
    tree = parse(text)
    if tree is None:
        return ()
    found = [*_functions(text, tree, ""), *_ops(text, tree)]
    return tuple(sorted(found, key=lambda each: each.line))


def custom_source(text: str, name: str) -> CustomSource | None:
    """The one of that name, or whose node has that name: "Softmax", "SoftmaxBackward", "mylib::sin"."""
    found = [each for each in custom_sources(text) if name in (each.name, each.node)]
    bare = [each for each in custom_sources(text) if name == each.name.rpartition("::")[2].rpartition(".")[2]]
    return next(iter(found or bare), None)


# ---------------------------------------------------------------- torch.autograd.Function


def _functions(text: str, scope: ast.AST, prefix: str) -> Iterator[CustomSource]:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.ClassDef):
            qualified = prefix + node.name
            if _is_function(text, node, set()):
                yield _of_class(text, node, qualified)
            yield from _functions(text, node, f"{qualified}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _functions(text, node, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _functions(text, node, prefix)


def _is_function(text: str, node: ast.ClassDef, seen: set[str]) -> bool:
    """Whether a class derives from a Function, directly or by way of another class of the file.

    Also where its own backward is static, as that of nothing else is: the Function is in another file then.
    """
    seen.add(node.name)
    if any(_is_static(each) for each in node.body):
        return True
    for base in map(dotted, node.bases):
        last = base.rpartition(".")[2]
        if last in ("Function", "InplaceFunction", "NestedIOFunction"):
            return True
        parent = class_of(text, base) if base and base not in seen else None
        if parent is not None and _is_function(text, parent, seen):
            return True
    return False


def _is_static(statement: ast.stmt) -> bool:
    """Whether a statement is a static method named backward."""
    if not isinstance(statement, ast.FunctionDef) or statement.name != "backward":
        return False
    return any(dotted(decorator) == "staticmethod" for decorator in statement.decorator_list)


def _of_class(text: str, node: ast.ClassDef, qualified: str) -> CustomSource:
    methods = _methods(text, node, set())
    parts = [_part(text, role, methods[role]) for role in _METHODS if role in methods]
    saving = [methods[role] for role in ("forward", "setup_context") if role in methods]
    return CustomSource(
        qualified,
        "torch.autograd.Function",
        f"{node.name}Backward",
        node.lineno,
        tuple(parts),
        tuple(dict.fromkeys(saved for method in saving for saved in _saved(text, method))),
    )


def _methods(text: str, node: ast.ClassDef, seen: set[str]) -> dict[str, FunctionNode]:
    """The methods by name, those of base classes in the same file too."""
    seen.add(node.name)
    found: dict[str, FunctionNode] = {}
    for base in reversed([dotted(base) for base in node.bases]):
        parent = class_of(text, base) if base and base not in seen else None
        if parent is not None:
            found.update(_methods(text, parent, seen))
    own = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {**found, **{each.name: each for each in own}}


# ---------------------------------------------------------------- custom ops


def _ops(text: str, tree: ast.Module) -> Iterator[CustomSource]:
    registered = {each.op: each for each in registered_autograds(text)}
    by_method = dict(_registered_by_method(tree))
    seen = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (op := _decorated_op(node)):
            seen.add(op)
            own = registered.get(op)
            backward, setup = (own.backward, own.setup_context) if own else by_method.get(node.name, ("", ""))
            yield _of_op(text, op, node, backward, setup)
    for op, each in registered.items():
        if op not in seen:
            implementation = function_named(text, each.implementation)
            yield _of_op(text, op, implementation, each.backward, each.setup_context, each.line)


def _decorated_op(node: ast.FunctionDef) -> str:
    """The op that a `def` below `@torch.library.custom_op("mylib::sin", ...)` is."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if dotted(function).rpartition(".")[2] in _DECORATORS and "::" in name:
                    return name
    return ""


def _registered_by_method(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """`sin.register_autograd(backward, setup_context=setup)`: name -> (backward, setup_context)."""
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="register_autograd")):
                words = {word.arg: dotted(word.value) for word in call.keywords}
                backward = dotted(call.args[0]) if call.args else words.get("backward", "")
                yield name, (backward, words.get("setup_context", ""))


def _of_op(
    text: str, op: str, forward: FunctionNode | None, backward: str, setup: str, line: int = 0
) -> CustomSource:
    named = {"setup_context": function_named(text, setup), "backward": function_named(text, backward)}
    found = {"forward": forward, **named}
    parts = tuple(_part(text, role, node) for role, node in found.items() if node is not None)
    saving = named["setup_context"]
    return CustomSource(
        op,
        "custom op",
        f"{_GENERATED}{op.partition('.')[0].replace('::', '_')}_{op.partition('.')[2] or 'default'}Backward",
        forward.lineno if forward is not None else line,
        parts,
        tuple(_saved(text, saving)) if saving is not None else (),
    )


# ---------------------------------------------------------------- text


def _part(text: str, role: str, node: FunctionNode) -> SourcePart:
    lines = re.split(r"\r\n|\r|\n", text)[first_line(node) - 1 : node.end_lineno]
    return SourcePart(role, node.lineno, dedent("\n".join(lines)))


def _saved(text: str, method: FunctionNode) -> Iterator[str]:
    """What `ctx.save_for_backward(...)` is given, and the attributes that `ctx` gets, in order of lines."""
    parameters = [*method.args.posonlyargs, *method.args.args]
    if not parameters:
        return
    context = parameters[0].arg
    expressions = [node for node in ast.walk(method) if isinstance(node, ast.expr)]
    for node in sorted(expressions, key=lambda each: (each.lineno, each.col_offset)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="save_for_backward"), args=given):
                if owner == context:
                    yield from (ast.get_source_segment(text, each) or "" for each in given)
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()):
                if owner == context:
                    yield f"{context}.{name}"
