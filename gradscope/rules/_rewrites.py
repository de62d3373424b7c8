"""Small rewrites of the user's own statements: text in, the repaired text out, None where none applies."""

from __future__ import annotations

import ast
import re

from gradscope.rules._parts import (
    OPERATORS,
    enclosed,
    enclosed_operand,
    method,
    receiver,
    source,
    without_keyword,
)
from gradscope.rules._source import simple_statement

_NAMESPACES = ("torch", "F", "functional", "nn.functional", "torch.nn.functional", "nn.init", "torch.nn.init")
_RANDOM = (
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
)


def out_of_place(statement: str) -> str | None:
    """The same statement with a new tensor in place of a change: "att *= 0.5" -> "att = att * 0.5"."""
    node = simple_statement(statement)
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        target, value = source(node.target, statement), source(node.value, statement)
        if isinstance(node.target, ast.Subscript):
            base = source(node.target.value, statement)
            return f"{base} = {base}.clone(); {statement.strip()}"
        return f"{target} = {target} {OPERATORS[type(node.op)]} {enclosed_operand(value)}"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        base = source(node.targets[0].value, statement)
        return f"{base} = {base}.clone(); {statement.strip()}"
    if isinstance(node, ast.Expr):
        return _method_out_of_place(node.value, statement, assign=True)
    if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
        new = _method_out_of_place(node.value, statement, assign=False)
        return new and statement.strip().replace(source(node.value, statement), new)
    return None


def _method_out_of_place(node: ast.expr, text: str, *, assign: bool) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    call = source(node, text)
    for keyword in ("inplace", "out"):
        without = without_keyword(call, keyword)
        if without is not None:
            changed = node.args[0] if keyword == "inplace" and node.args else _keyword_value(node, keyword)
            return _given_to(changed, without, text) if assign else without
    if isinstance(node.func, ast.Attribute) and re.fullmatch(r"[a-z]\w*[a-z0-9]_", node.func.attr):
        new = _twin(node.func, call[len(source(node.func, text)) :], text)
        in_namespace = source(node.func.value, text) in _NAMESPACES
        changed = node.args[0] if in_namespace and node.args else node.func.value
        return _given_to(changed, new, text) if assign else new
    return None


def _given_to(target: ast.expr | None, value: str, text: str) -> str | None:
    """The assignment of a value to what an op would have changed; None where that is no plain name."""
    if not isinstance(target, ast.Name | ast.Attribute):
        return None
    return f"{source(target, text)} = {value}"


def _twin(function: ast.Attribute, arguments: str, text: str) -> str:
    """What an in-place method would give as a new tensor; `arguments` come with their brackets."""
    target, name = source(function.value, text), function.attr
    if name in _RANDOM:  # these exist in place only
        return f"torch.empty_like({target}).{name}{arguments}"
    if name == "fill_diagonal_":
        return f"{target}.clone().{name}{arguments}"
    return {
        "zero_": f"torch.zeros_like({target})",
        "fill_": f"torch.full_like({target}, {arguments[1:-1]})",
        "copy_": arguments[1:-1],
    }.get(name, f"{target}.{name[:-1]}{arguments}")


def _keyword_value(node: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in node.keywords if k.arg == name), None)


def updated_in_place(statement: str) -> str | None:
    """An update of a leaf that leaves it the leaf: "w = w - lr * g" -> "with torch.no_grad(): w -= lr * g".

    For an assignment that is not arithmetic on its target, the value is copied into it.
    """
    node = simple_statement(statement)
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target, value = source(node.targets[0], statement), node.value
    if isinstance(value, ast.ListComp | ast.DictComp):
        return _each_in_place(value, statement)
    if (
        isinstance(value, ast.BinOp)
        and type(value.op) in OPERATORS
        and source(value.left, statement) == target
    ):
        change = source(value.right, statement)
        return f"with torch.no_grad(): {target} {OPERATORS[type(value.op)]}= {change}"
    return f"with torch.no_grad(): {target}.copy_({source(value, statement)})"


def _each_in_place(node: ast.ListComp | ast.DictComp, text: str) -> str | None:
    """A loop over the leaves: "[w - lr * w.grad for w in ws]" -> "for w in ws: w -= lr * w.grad"."""
    value = node.elt if isinstance(node, ast.ListComp) else node.value
    loop = node.generators[0]
    if not isinstance(value, ast.BinOp) or type(value.op) not in OPERATORS or len(node.generators) > 1:
        return None
    change = f"{source(value.left, text)} {OPERATORS[type(value.op)]}= {source(value.right, text)}"
    names = source(loop.target, text).strip("()")
    return f"in a torch.no_grad() block, for {names} in {source(loop.iter, text)}: {change}"


def under_new_name(statement: str) -> str | None:
    """The result under a name of its own: "x = x * 2" -> "x2 = x * 2", "x += 1" -> "x2 = x + 1"."""
    node = simple_statement(statement)
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        target = source(node.target, statement)
        if isinstance(node.target, ast.Subscript):
            base = source(node.target.value, statement)
            new = fresh(base)
            return f"{new} = {base}.clone(); {new}{statement.strip()[len(base) :]}"
        value = enclosed_operand(source(node.value, statement))
        return f"{fresh(target)} = {target} {OPERATORS[type(node.op)]} {value}"
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = source(node.targets[0], statement)
        if isinstance(node.targets[0], ast.Subscript):
            base = source(node.targets[0].value, statement)
            new = fresh(base)
            return f"{new} = {base}.clone(); {new}{statement.strip()[len(base) :]}"
        return f"{fresh(target)} = {source(node.value, statement)}"
    if isinstance(node, ast.Expr):
        new_value = _method_out_of_place(node.value, statement, assign=True)
        if new_value:
            target, _, value = new_value.partition(" = ")
            return f"{fresh(target)} = {value}"
    return None


def fresh(target: str) -> str:
    """A name for the new tensor: "x" -> "x2", "self.w" -> "w2", "x[0]" -> "x2"."""
    name = re.sub(r"\W.*", "", target.rpartition(".")[2]) or "result"
    return f"{name}2"


def keeping_detached(statement: str) -> str | None:
    """What is kept, without its graph: "total += loss" -> "total += loss.detach()"."""
    node = simple_statement(statement)
    text = statement.strip()
    if isinstance(node, ast.AugAssign):
        return _detached_inside(text, node.value)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = source(node.targets[0], text), node.value
        if isinstance(value, ast.BinOp):
            if source(value.left, text) == target:
                return _detached_inside(text, value.right)
            if source(value.right, text) == target:
                return _detached_inside(text, value.left)
        if isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            return _detached_inside(text, value)
        return None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        given = [a for a in node.value.args if not isinstance(a, ast.Constant)]
        if len(given) == 1 and isinstance(given[0], ast.Name | ast.Attribute | ast.Call | ast.BinOp):
            return _detached_inside(text, given[0])
    return None


def _detached_inside(text: str, node: ast.expr) -> str | None:
    if node.end_col_offset is None:
        return None
    raw = text.encode()
    part = raw[node.col_offset : node.end_col_offset].decode()
    new = f"{enclosed(part)}.detach()"
    return (raw[: node.col_offset] + new.encode() + raw[node.end_col_offset :]).decode()


def registered(statement: str, attribute: str, *, is_parameter: bool, in_module: bool) -> str | None:
    """The assignment of an attribute in a form that `nn.Module` registers: a list becomes an `nn.ModuleList`.

    `in_module` says that what is kept there are modules; else they are parameters, or tensors to become some.
    """
    node = simple_statement(statement)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return None
    text = statement.strip()
    target, given = _pair(node, attribute)
    if given is None:
        return None
    value = source(given, text)
    new = _container(given, value, "Module" if in_module else "Parameter")
    if new is None and not is_parameter:
        new = f"nn.Parameter({_untracked(value)})"
    if new is None:
        return None
    return text.replace(value, new) if target is None else f"{source(target, text)} = {new}"


def _pair(node: ast.Assign | ast.AnnAssign, attribute: str) -> tuple[ast.expr | None, ast.expr | None]:
    """(the one target of several that is this attribute, or None; its value, None where it is not apart)."""
    several = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
    if not several:
        return None, node.value
    targets, values = node.targets[0].elts, getattr(node.value, "elts", [])  # type: ignore[union-attr]
    if len(targets) != len(values):
        return None, None
    pairs = zip(targets, values, strict=True)
    return next((pair for pair in pairs if getattr(pair[0], "attr", None) == attribute), (None, None))


def _container(node: ast.expr, value: str, holds: str) -> str | None:
    if isinstance(node, ast.List | ast.ListComp | ast.Tuple):
        return f"nn.{holds}List({value})"
    if isinstance(node, ast.Dict | ast.DictComp):
        return f"nn.{holds}Dict({value})"
    return None


def _untracked(value: str) -> str:
    plain = without_keyword(value, "requires_grad") or value
    return receiver(plain) or plain if method(plain) == "requires_grad_" else plain


def parameter_made_last(statement: str) -> str | None:
    """A Parameter of the finished tensor: "s = nn.Parameter(x) * 2" -> "s = nn.Parameter(x * 2)"."""
    node = simple_statement(statement)
    if not isinstance(node, ast.Assign):
        return None
    value = _WithoutParameter().visit(node.value)
    return f"{', '.join(map(ast.unparse, node.targets))} = nn.Parameter({ast.unparse(value)})"


class _WithoutParameter(ast.NodeTransformer):
    """`nn.Parameter(x)` -> `x`, and no `requires_grad` in calls: the outermost Parameter sees to it."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "requires_grad"]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "Parameter" and node.args:
            return node.args[0]
        return node.func.value if name == "requires_grad_" and isinstance(node.func, ast.Attribute) else node


def leaf_made_last(statement: str) -> str | None:
    """A tensor that becomes a leaf when it is finished: "w = randn(3, requires_grad=True) / 9" ->
    "w = (randn(3) / 9).requires_grad_()".
    """
    node = simple_statement(statement)
    if not isinstance(node, ast.Assign):
        return None
    for call in ast.walk(node.value):
        if isinstance(call, ast.Call):
            call.keywords = [keyword for keyword in call.keywords if keyword.arg != "requires_grad"]
    value = enclosed(ast.unparse(node.value))
    return f"{', '.join(map(ast.unparse, node.targets))} = {value}.requires_grad_()"


def behind_data(statement: str) -> str:
    """The statement without its `.data`: "y.data.mul_(2)" -> "y.mul_(2)"."""
    return re.sub(r"\.data\b", "", statement)
