"""Compiling the target, and saying where it does not compile."""

from __future__ import annotations

import importlib.machinery
from types import CodeType

from gradscope.errors import TargetError, caret


def compile_script(path: str) -> CodeType:
    """The code of a script, compiled as Python compiles the file on its command line.

    The encoding cookie is honoured and future statements are not inherited. Raises TargetError for
    source that does not compile.
    """
    if path.endswith(".pyc"):
        code = importlib.machinery.SourcelessFileLoader("__main__", path).get_code("__main__")
        assert code is not None
        return code
    with open(path, "rb") as file:
        source = file.read()
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise not_compiled(path, error) from None


def not_compiled(path: str, error: SyntaxError | ValueError) -> TargetError:
    """The error for a target that is not valid Python, with a caret where the compiler put one."""
    if not isinstance(error, SyntaxError):
        return TargetError(f"{path} does not compile: {error}")
    line = error.lineno or 0
    where = [f"--> {error.filename or path}:{line}"] if line else []
    text = (error.text or "").rstrip("\n")
    if text.strip() and error.offset:
        indent = len(text) - len(text.lstrip())
        start = max(error.offset - 1 - indent, 0)
        same_line = error.end_lineno in (None, line) and (error.end_offset or 0) > error.offset
        end = (error.end_offset or 0) - 1 - indent if same_line else start + 1
        where += caret(text.strip(), start, end, label=f"{line:>4} |")
    return TargetError(f"{path} does not compile: {error.msg}", where=where)
