"""Lines of a function that change the memory of one of its arguments, by their text."""

from __future__ import annotations

import ast

from gradscope.syntax.definitions import Span, function_at, span
from gradscope.syntax.trees import dotted

_SHARING_METHODS = frozenset(
    [
        "as_strided",
        "chunk",
        "contiguous",
        "cpu",
        "data",
        "detach",
        "diagonal",
        "double",
        "expand",
        "flatten",
        "float",
        "half",
        "movedim",
        "narrow",
        "numpy",
        "permute",
        "ravel",
        "real",
        "reshape",
        "select",
        "split",
        "squeeze",
        "swapaxes",
        "t",
        "to",
        "transpose",
        "type_as",
        "unbind",
        "unflatten",
        "unfold",
        "unsqueeze",
        "view",
        "view_as",
    ]
)
"""Methods whose value shares memory with their tensor, at least sometimes."""

_SHARING_CALLS = frozenset(["torch.as_tensor", "torch.from_numpy", "np.asarray", "numpy.asarray"])
_NOT_WRITING = frozenset(["requires_grad_", "detach_", "retain_grad_", "share_memory_", "rename_"])
_MODULES = frozenset(["", "torch", "nn", "F", "functional", "init", "np", "numpy"])
_FILLING_METHODS = frozenset(["fill", "sort", "put", "partition", "itemset"])


def writes_to(source: str, line: int, name: str, argument: str) -> list[Span]:
    """The statements of the function at a line that write into `argument` in place, in order.

    Also through another name of the same memory (`out = x.data`, `flat = x.view(-1)`): followed by names
    within the function. `x = x + 1` ends what `x` stands for; `x += 1` writes.
    """
    node = function_at(source, line, name)
    if node is None:
        return []
    trail = _Trail(source, argument)
    for statement in node.body:
        trail.follow(statement)
    return trail.writes


class _Trail:
    """Walks the statements of a function in order, with the names that stand for the argument's memory."""

    def __init__(self, source: str, argument: str) -> None:
        self.source = source
        self.names = {argument}
        self.writes: list[Span] = []

    def follow(self, statement: ast.stmt) -> None:
        """One statement, then those inside it."""
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return
        if self._writes(statement):
            self.writes.append(span(self.source, statement))
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                self._assign(target, statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._assign(statement.target, statement.value)
        elif isinstance(statement, ast.For):
            self._assign(statement.target, statement.iter)
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                self._inner(inner, statement)
            elif isinstance(inner, ast.ExceptHandler | ast.match_case):
                for each in inner.body:
                    self._inner(each, statement)

    def _inner(self, statement: ast.stmt, outer: ast.stmt) -> None:
        before = set(self.names)
        self.follow(statement)
        if not isinstance(outer, ast.With | ast.AsyncWith):
            self.names |= before  # a branch may not have been taken

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] * len(target.elts)
            for part, each in zip(target.elts, values, strict=False):
                self._assign(part, each)
        elif isinstance(target, ast.Name):
            shares = self._shares(value)
            self.names -= {target.id}
            if shares:
                self.names.add(target.id)

    def _shares(self, value: ast.expr) -> bool:
        """Whether an expression stands for the argument's memory."""
        match value:
            case ast.Name(id=name):
                return name in self.names
            case ast.NamedExpr(value=inner) | ast.Starred(value=inner):
                return self._shares(inner)
            case ast.Subscript(value=owner, slice=index):
                return self._shares(owner) and _is_basic(index)
            case ast.Attribute(value=owner, attr=name):
                return name in {"data", "T", "mT", "real", "imag"} and self._shares(owner)
            case ast.IfExp(body=body, orelse=orelse):
                return self._shares(body) or self._shares(orelse)
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if self._shares(owner):
                return method in _SHARING_METHODS or _is_inplace(method)
            case ast.Call(func=function, args=[first, *_]):
                return dotted(function) in _SHARING_CALLS and self._shares(first)
            case _:
                return False

    def _writes(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.AugAssign(target=ast.Name(id=name)):
                return name in self.names
            case ast.AugAssign(target=ast.Subscript(value=owner) | ast.Attribute(value=owner)):
                return self._shares(owner)
            case ast.Assign(targets=targets):
                if any(self._is_element(target) for target in targets):
                    return True
        return any(self._call_writes(call) for call in _calls(statement))

    def _is_element(self, target: ast.expr) -> bool:
        match target:
            case ast.Subscript(value=owner):
                return self._shares(owner)
            case ast.Attribute(value=owner, attr="data"):
                return self._shares(owner)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(self._is_element(part) for part in parts)
            case _:
                return False

    def _call_writes(self, call: ast.Call) -> bool:
        if any(word.arg == "out" and self._shares(word.value) for word in call.keywords):
            return True
        match call.func:
            case ast.Attribute(value=owner, attr=method) if self._shares(owner):
                return _is_inplace(method) or method in _FILLING_METHODS
        space, _, name = dotted(call.func).rpartition(".")
        if not call.args or not self._shares(call.args[0]) or space.partition(".")[0] not in _MODULES:
            return False
        in_place = any(
            word.arg == "inplace" and isinstance(word.value, ast.Constant) and word.value.value is True
            for word in call.keywords
        )
        return in_place or _is_inplace(name) or name == "copyto"


def _is_inplace(method: str) -> bool:
    return method.endswith("_") and not method.endswith("__") and method not in _NOT_WRITING


def _is_basic(index: ast.expr) -> bool:
    """Whether indexing gives a view: slices, numbers, `...`, None; a mask or list of indices copies."""
    match index:
        case ast.Slice() | ast.Constant():
            return True
        case ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Tuple(elts=parts):
            return all(_is_basic(part) for part in parts)
        case _:
            return False


def _calls(statement: ast.stmt) -> list[ast.Call]:
    """The calls of a statement itself, without those of statements inside it."""
    found = []
    waiting = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda | ast.stmt):
            continue
        if isinstance(node, ast.Call):
            found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found
