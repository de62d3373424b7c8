"""Questions about source, asked of the text as it was run, never of the disk.

A place is a line and columns; the answers are names, statements and text. Nothing is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.For)
_GROWING_METHODS = frozenset(
    ["append", "extend", "insert", "add", "appendleft", "update", "setdefault", "put"]
)
_PART_METHODS = frozenset(["setdefault", "get"])  # what they give is a part of their container


@lru_cache(maxsize=256)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a file's text, None where it does not parse."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield node


def statement_at(source: str, line: int) -> ast.stmt | None:
    """The innermost statement that covers a line."""
    tree = parse(source)
    if tree is None:
        return None
    covering = [s for s in _statements(tree) if s.lineno <= line <= (s.end_lineno or s.lineno)]
    return max(covering, key=lambda s: (s.lineno, -(s.end_lineno or 0)), default=None)


def _names(node: ast.AST | None) -> set[str]:
    """Names and dotted names (`self.total`) that an expression mentions."""
    found: set[str] = set()
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            found.add(f"{inner.value.id}.{inner.attr}")
    return found - {"self"}


def _targets(statement: ast.stmt) -> set[str]:
    """The names a statement gives a value to, or whose container it grows."""
    match statement:
        case ast.Assign(targets=targets):
            return {name for target in targets for name in _target_names(target)}
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            return set(_target_names(target))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr))) if attr in _GROWING_METHODS:
            return set(_target_names(owner))
        case _:
            return set()


def _target_names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _target_names(element)
    elif isinstance(target, (ast.Subscript, ast.Starred)):
        yield from _target_names(target.value)
    elif isinstance(target, ast.Call):
        if isinstance(target.func, ast.Attribute) and target.func.attr in _PART_METHODS:
            yield from _target_names(target.func.value)
    else:
        name = dotted(target)
        if name:
            yield name


def dotted(node: ast.expr) -> str:
    """`self.total` as text; empty for anything that is not names joined by dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _sources(statement: ast.stmt) -> set[str]:
    """The names a statement takes its value from."""
    match statement:
        case ast.Assign(value=value) | ast.Return(value=value) | ast.AnnAssign(value=value):
            return _names(value)
        case ast.AugAssign(target=target, value=value):
            return _names(value) | set(_target_names(target))
        case ast.For(iter=iterated):
            return _names(iterated)
        case ast.Expr(value=value):
            return _names(value)
        case _:
            return set()


def assigned_names(source: str, line: int) -> frozenset[str]:
    """The names that the statement on a line gives a value to: `self.total`, `out` and `hidden`."""
    statement = statement_at(source, line)
    return frozenset(_targets(statement)) if statement is not None else frozenset()


def _ends(statement: ast.stmt) -> int:
    return (statement.iter.end_lineno if isinstance(statement, ast.For) else statement.end_lineno) or 0


@lru_cache(maxsize=1024)
def names_fed_by(source: str, line: int) -> frozenset[str]:
    """The names that the value computed on a line flows into, by assignments in the same function."""
    tree = parse(source)
    if tree is None:
        return frozenset()
    scope = _scope_of(tree, line)
    statements = [s for s in _own_statements(scope) if isinstance(s, _STATEMENTS)]
    fed: set[str] = set()
    for statement in statements:
        if statement.lineno <= line <= _ends(statement):
            fed |= _targets(statement)
    grown = True
    while grown:
        grown = False
        for statement in statements:
            targets = _targets(statement)
            if targets - fed and _sources(statement) & fed:
                fed |= targets
                grown = True
    return frozenset(fed)


def _scope_of(tree: ast.Module, line: int) -> ast.AST:
    scope: ast.AST = tree
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.lineno <= line <= (node.end_lineno or 0)
            and (scope is tree or node.lineno > scope.lineno)  # type: ignore[attr-defined]
        ):
            scope = node
    return scope


def _own_statements(scope: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a function or module, without those of functions and classes inside."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.stmt):
            yield node
        stack[:0] = list(ast.iter_child_nodes(node))


@lru_cache(maxsize=4096)
def flows_between(source: str, exit_line: int, entry_line: int) -> bool:
    """Whether a value computed on one line is, by names, used on another of the same function."""
    if exit_line == entry_line:
        return True
    tree = parse(source)
    if tree is None:
        return False
    if _scope_of(tree, exit_line) is not _scope_of(tree, entry_line):
        return False
    statement = statement_at(source, entry_line)
    if statement is None:
        return False
    if statement.lineno <= exit_line <= _ends(statement):
        return True
    return bool(names_fed_by(source, exit_line) & (_sources(statement) | _names_of_simple(statement)))


def feeds_itself(source: str, line: int) -> bool:
    """Whether the statement on a line uses what it gives: `out, hidden = model(x, hidden)`."""
    statement = statement_at(source, line)
    return statement is not None and bool(names_fed_by(source, line) & _sources(statement))


def _names_of_simple(statement: ast.stmt) -> set[str]:
    """All names of a statement that holds no other statements."""
    return (
        set()
        if any(isinstance(n, ast.stmt) for n in ast.walk(statement) if n is not statement)
        else _names(statement)
    )


def _expressions(tree: ast.AST, kinds: tuple[type[ast.expr], ...] = (ast.expr,)) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield node


def _at(node: ast.expr, lines: Sequence[str], place: tuple[int, int, int, int]) -> bool:
    start = _characters(lines, node.lineno, node.col_offset) + 1
    end = _characters(lines, node.end_lineno or node.lineno, node.end_col_offset or 0) + 1
    return (node.lineno, start, node.end_lineno, end) == place


def _characters(lines: Sequence[str], line: int, byte_offset: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return byte_offset if text.isascii() else len(text.encode()[:byte_offset].decode(errors="ignore"))


def expression_at(
    source: str, line: int, column: int, end_line: int, end_column: int
) -> tuple[str | None, str | None]:
    """(the variable an expression is assigned to, its text); columns are 1-based and count characters.

    The variable is None where the expression is only a part of what is assigned.
    """
    tree = parse(source)
    if tree is None:
        return None, None
    lines = source.splitlines()
    place = (line, column, end_line, end_column)
    for statement in _statements(tree):
        if not statement.lineno <= line <= (statement.end_lineno or 0):
            continue
        if isinstance(statement, ast.AugAssign) and _covers(statement, lines, place):
            return dotted(statement.target) or None, ast.get_source_segment(source, statement)
        value = getattr(statement, "value", None)
        if isinstance(value, ast.expr) and _at(value, lines, place):
            names = _targets(statement)
            name = (
                next(iter(names))
                if len(names) == 1 and isinstance(statement, (ast.Assign, ast.AnnAssign))
                else None
            )
            return name, ast.get_source_segment(source, value)
    for node in _expressions(tree):
        if _at(node, lines, place):
            return None, ast.get_source_segment(source, node)
    return None, None


def _covers(statement: ast.stmt, lines: Sequence[str], place: tuple[int, int, int, int]) -> bool:
    start = _characters(lines, statement.lineno, statement.col_offset) + 1
    end = _characters(lines, statement.end_lineno or 0, statement.end_col_offset or 0) + 1
    return (statement.lineno, start, statement.end_lineno, end) == place


def keeping_statements(source: str, name: str) -> list[int]:
    """Lines that put something into a container of that name: `x.append(...)`, `x[k] = ...`, `x += ...`."""
    tree = parse(source)
    if tree is None:
        return []
    last = name.rpartition(".")[2]
    return sorted(
        {
            statement.lineno
            for statement in _statements(tree)
            if isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign))
            and any(target.rpartition(".")[2] == last for target in _targets(statement))
            and _grows(statement)
        }
    )


def _grows(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr() | ast.AugAssign():
            return True
        case ast.Assign(targets=[ast.Subscript()]):
            return True
        case ast.Assign(value=ast.BinOp(op=ast.Add())):
            return True
        case _:
            return False


_FILLING_CALLS = frozenset(
    [
        "copyto",
        "fill",
        "fill_diagonal",
        "partition",
        "place",
        "put",
        "put_along_axis",
        "putmask",
        "readinto",
        "recv_into",
        "shuffle",
        "sort",
    ]
)


def element_writes(source: str, first: int, last: int) -> list[int]:
    """Lines that write elements of something in place between two lines (inclusive), the likeliest first.

    `a[...] = x`, `a[...] += x`, `np.copyto(a, x)`, `rng.random(out=a)`; then `a += x`: a may be a number.
    Calls in the range are followed one level into functions of the same file.
    """
    tree = parse(source)
    if tree is None:
        return []
    inside = [s for s in _statements(tree) if first <= s.lineno <= last]
    direct = _likeliest_first(s for s in inside if _writes_elements(s))
    if direct:
        return direct
    called = {
        name.rpartition(".")[2]
        for statement in inside
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and (name := dotted(node.func))
    }
    return _likeliest_first(
        statement
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name in called
        for statement in _own_statements(function)
        if _writes_elements(statement)
    )


def _likeliest_first(statements: Iterable[ast.stmt]) -> list[int]:
    def may_be_a_counter(statement: ast.stmt) -> bool:
        return isinstance(statement, ast.AugAssign) and not isinstance(statement.target, ast.Subscript)

    return [s.lineno for s in sorted(statements, key=lambda s: (may_be_a_counter(s), s.lineno))]


def _writes_elements(statement: ast.stmt) -> bool:
    match statement:
        case ast.AugAssign():
            return True
        case ast.Assign(targets=targets) if any(isinstance(target, ast.Subscript) for target in targets):
            return True
        case ast.Assign(value=ast.Call() as call) | ast.Expr(value=ast.Call() as call):
            return _fills(call)
        case _:
            return False


def _fills(call: ast.Call) -> bool:
    """Whether a call writes into an array that it is given: `np.copyto(a, x)`, `a.fill(0)`, `f(x, out=a)`."""
    is_ufunc_at = isinstance(call.func, ast.Attribute) and call.func.attr == "at"
    name = dotted(call.func).rpartition(".")[2]
    return is_ufunc_at or name in _FILLING_CALLS or any(keyword.arg == "out" for keyword in call.keywords)


def is_in_loop_of(source: str, line: int, inner_line: int) -> bool:
    """Whether a line lies in the innermost loop around `inner_line`; False where that is in none."""
    loop = _loop_around(source, inner_line)
    return loop is not None and loop.lineno <= line <= (loop.end_lineno or loop.lineno)


def _loop_around(source: str, line: int) -> ast.stmt | None:
    """The innermost loop around a line, in the function that has the line."""
    tree = parse(source)
    if tree is None:
        return None
    around = [
        statement
        for statement in _own_statements(_scope_of(tree, line))
        if isinstance(statement, ast.For | ast.AsyncFor | ast.While)
        and statement.lineno <= line <= (statement.end_lineno or statement.lineno)
    ]
    return max(around, key=lambda loop: loop.lineno, default=None)


def calls_before_loop(source: str, function: str, line: int) -> list[int]:
    """Lines that call a function of this name before the innermost loop around `line`, in its function."""
    tree, loop = parse(source), _loop_around(source, line)
    if tree is None or loop is None:
        return []
    found = set()
    for statement in _own_statements(_scope_of(tree, line)):
        if statement.lineno >= loop.lineno or getattr(statement, "body", None):
            continue
        called = [dotted(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
        if function in [name.rpartition(".")[2] for name in called]:
            found.add(statement.lineno)
    return sorted(found)


def gathered_names(source: str, line: int) -> frozenset[str]:
    """The parameters `*args` and `**kwargs` of the function around a line: tuples and dicts, no tensors."""
    tree = parse(source)
    scope = _scope_of(tree, line) if tree is not None else None
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset()
    return frozenset(one.arg for one in (scope.args.vararg, scope.args.kwarg) if one is not None)
