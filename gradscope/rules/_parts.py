"""The parts of the user's own expressions and statements: what is called, on what, which name is changed."""

from __future__ import annotations

import ast

from gradscope.rules._source import expression, simple_statement

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**"}


def receiver(text: str) -> str | None:
    """ "h.detach()" -> "h": what the last method of a chain is called on; for "h.data", "h" too."""
    node = expression(text)
    if isinstance(node, ast.Call):
        node = node.func
    return source(node.value, text) if isinstance(node, ast.Attribute) else None


def method(text: str) -> str | None:
    """ "h.detach()" -> "detach", "F.relu(x)" -> "relu", "float(x)" -> "float"."""
    node = expression(text)
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def argument(text: str, index: int = 0) -> str | None:
    """ "float(x)" -> "x": one positional argument of a call."""
    node = expression(text)
    if isinstance(node, ast.Call) and len(node.args) > index:
        return source(node.args[index], text)
    return None


def operands(text: str) -> tuple[str, str, str] | None:
    """ "a / b" -> ("a", "/", "b")."""
    node = expression(text)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return source(node.left, text), OPERATORS[type(node.op)], source(node.right, text)
    return None


def operand(text: str, op: str, position: int) -> str | None:
    """ "F.linear(x, w)" -> "w" for the argument 1 of `linear`, "mask > 0.4" -> "mask" for 0 of `gt`.

    None where the text is no call of that op: a module that is called hides what its op is given.
    """
    node = expression(text)
    given: list[ast.expr] = []
    match node:
        case ast.BinOp(left=left, right=right):
            given = [left, right]
        case ast.Compare(left=left, comparators=[right]):
            given = [left, right]
        case ast.Subscript(value=value) | ast.UnaryOp(operand=value):
            given = [value]
        case ast.Call(func=ast.Name(id=name), args=args) if name == op:
            given = args
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args) if name == op:
            of_torch = source(owner, text).partition(".")[0] in ("torch", "F", "nn", "functional")
            given = args if of_torch else [owner, *args]
    if position >= len(given) or isinstance(given[position], ast.List | ast.Tuple | ast.Starred):
        return None
    return source(given[position], text)


def source(node: ast.AST, text: str) -> str:
    """The text of a node, as it is written in `text`."""
    return ast.get_source_segment(text.strip(), node) or ast.unparse(node)


def enclosed(text: str) -> str:
    """`text` as an operand that a method can be called on: parenthesised unless it is one already."""
    node = expression(text)
    whole = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text if whole else f"({text})"


def with_keyword(call: str, keyword: str) -> str | None:
    """ "grad(y, x)" -> "grad(y, x, create_graph=True)"; replaces the keyword where it is given."""
    node = expression(call)
    if not isinstance(node, ast.Call):
        return None
    name, _, value = keyword.partition("=")
    given = next((k for k in node.keywords if k.arg == name), None)
    if given is not None:
        given.value = ast.parse(value, mode="eval").body
        return ast.unparse(node)
    opening = call.rstrip()[:-1].rstrip().rstrip(",")
    return f"{opening}{'' if opening.endswith('(') else ', '}{keyword})"


def without_keyword(call: str, name: str) -> str | None:
    """ "F.relu(x, inplace=True)" -> "F.relu(x)"; None where the keyword is not given."""
    node = expression(call)
    if not isinstance(node, ast.Call) or all(k.arg != name for k in node.keywords):
        return None
    node.keywords = [k for k in node.keywords if k.arg != name]
    return ast.unparse(node)


def enclosed_operand(text: str) -> str:
    """`text` as the right operand of `*`: a sum or difference is parenthesised."""
    return f"({text})" if isinstance(expression(text), ast.BinOp | ast.IfExp | ast.Compare) else text


def target_of(statement: str) -> str | None:
    """The name that an assignment gives its value: "opt = SGD(...)" -> "opt"."""
    node = simple_statement(statement)
    if (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name | ast.Attribute)
    ):
        return source(node.targets[0], statement)
    return None


def written_to(statement: str) -> str | None:
    """The name that a statement changes in place: "att *= 0.5", "att[0] = 1" and "att.mul_(2)" -> "att"."""
    node = simple_statement(statement)
    target: ast.expr | None = None
    if isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
    elif isinstance(node, ast.Expr | ast.Assign | ast.Return) and isinstance(node.value, ast.Call):
        function = node.value.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr.endswith("_")
            and not function.attr.endswith("__")
        ):
            target = function.value
    while isinstance(target, ast.Subscript):
        target = target.value
    return source(target, statement) if isinstance(target, ast.Name | ast.Attribute) else None


def assigned_name(statement: str, *, used_too: bool = False) -> str | None:
    """A name that a statement assigns; with `used_too`, one that its value uses as well, and the only one.

    "out, hidden = cell(x, hidden)" -> "hidden".
    """
    node = simple_statement(statement)
    if isinstance(node, ast.AugAssign):
        return source(node.target, statement)
    if not isinstance(node, ast.Assign):
        return None
    targets = [
        t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])
    ]
    names = [source(t, statement) for t in targets if isinstance(t, ast.Name | ast.Attribute)]
    if used_too:
        used = {source(n, statement) for n in ast.walk(node.value) if isinstance(n, ast.Name | ast.Attribute)}
        names = [name for name in names if name in used]
    return names[0] if len(names) == 1 else None


def called_module(text: str) -> str | None:
    """ "self.act(x)" -> "self.act": an object that is called, rather than a function of torch or a method."""
    node = expression(text)
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = source(node.func, text)
    is_torch = called.split(".")[0] in ("torch", "F", "functional", "nn", "np")
    return None if is_torch or called.endswith("_") else called


def written_value(statement: str) -> str | None:
    """What a statement writes: "w.data = h" -> "h", "w.copy_(h)" -> "h"."""
    node = simple_statement(statement)
    if isinstance(node, ast.Assign):
        return source(node.value, statement.strip())
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and method(statement) == "copy_":
        return argument(statement)
    return None
