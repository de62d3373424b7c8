"""Whether a file does something when it is run as a program: `if __name__ == "__main__":`."""

from __future__ import annotations

import ast
import tokenize

from gradscope.syntax.trees import parse


def main_block(path: str) -> range | None:
    """The lines of the first such block at the top level of a file; None where there is none.

    None also where the file cannot be read or does not parse.
    """
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    tree = parse(text)
    blocks = [statement for statement in tree.body if is_main_block(statement)] if tree is not None else []
    return range(blocks[0].lineno, (blocks[0].end_lineno or blocks[0].lineno) + 1) if blocks else None


def is_main_block(statement: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    if not isinstance(statement, ast.If):
        return False
    match statement.test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = [left, right]
        case _:
            return False
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
