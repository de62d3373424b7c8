"""The user's own line, read from the source as it was run: what fixes are written in terms of."""

from __future__ import annotations

import ast

from gradscope import syntax
from gradscope.facts import Recording
from gradscope.finding import Location


def snippet(recording: Recording, location: Location | None) -> str:
    """The expression at `location`, on one line; the whole line, stripped, where columns are unknown."""
    if location is None:
        return ""
    line = recording.line(location)
    if location.column is None or location.end_column is None:
        return line.strip()
    if location.end_line in (None, location.line):
        return line[location.column - 1 : location.end_column - 1].strip()
    lines = list(recording.sources.get(location.path, ())[location.line - 1 : location.end_line])
    if not lines:
        return ""
    lines[-1] = lines[-1][: location.end_column - 1]
    lines[0] = lines[0][location.column - 1 :]
    return " ".join(line.strip() for line in lines)


def expression(text: str) -> ast.expr | None:
    """The parsed expression, None where the text is not one."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None


def simple_statement(text: str) -> ast.stmt | None:
    """The one parsed statement of this text, None where it is not exactly one."""
    try:
        body = ast.parse(text.strip()).body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 else None


def statement(recording: Recording, location: Location | None) -> str:
    """The innermost simple statement that covers `location`, on one line and without its comment.

    For a `with`, `for` or `if` line it is that header; where the file does not parse, the line itself.
    """
    if location is None:
        return ""
    lines = tuple(recording.sources.get(location.path, ()))
    found = _innermost(lines, location.line)
    if found is None:
        return recording.line(location).strip()
    return found if isinstance(found, str) else _one_line(lines, found)


def replaced(recording: Recording, location: Location | None, new: str) -> str:
    """The statement at `location` with the expression there replaced by `new`; `new` alone where it
    spans lines or its columns are unknown.
    """
    if location is None or location.column is None or location.end_column is None:
        return new
    text = statement(recording, location)
    line = recording.line(location)
    start = line.find(text) if text else -1
    first, last = location.column - 1 - start, location.end_column - 1 - start
    if start < 0 or location.end_line not in (None, location.line) or not 0 <= first <= last <= len(text):
        return new
    plain, enclosed = (text[:first] + middle + text[last:] for middle in (new, f"({new})"))
    trees = [simple_statement(one) for one in (plain, enclosed)]
    if trees[0] is None or trees[1] is None or ast.dump(trees[0]) == ast.dump(trees[1]):
        return plain
    return enclosed


def _one_line(lines: tuple[str, ...], node: ast.stmt) -> str:
    if node.end_lineno == node.lineno:
        text = lines[node.lineno - 1].encode()
        return text[node.col_offset : node.end_col_offset].decode(errors="replace").strip()
    return ast.unparse(node)


def _innermost(lines: tuple[str, ...], line: int) -> ast.stmt | str | None:
    tree = syntax.parse("\n".join(lines))
    covering = [
        node
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    if not covering:
        return None
    inner = max(covering, key=lambda node: (node.lineno, node.col_offset))
    if getattr(inner, "body", None):
        return lines[line - 1].strip()
    return inner
