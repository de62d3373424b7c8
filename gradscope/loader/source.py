"""Compiling the target, and saying where it does not compile."""

from __future__ import annotations

import importlib.machinery
import os
import pkgutil
import sys
from types import CodeType

from gradscope.errors import TargetError, caret, did_you_mean


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
    path = _short(path)
    if not isinstance(error, SyntaxError):
        return TargetError(f"{path} does not compile: {error}")
    line = error.lineno or 0
    where = [f"--> {_short(error.filename or path)}:{line}"] if line else []
    text = (error.text or "").rstrip("\n")
    if text.strip() and error.offset:
        indent = len(text) - len(text.lstrip())
        start = max(error.offset - 1 - indent, 0)
        same_line = error.end_lineno in (None, line) and (error.end_offset or 0) > error.offset
        end = (error.end_offset or 0) - 1 - indent if same_line else start + 1
        where += caret(text.strip(), start, end, label=f"{line:>4} |")
    return TargetError(f"{path} does not compile: {error.msg}", where=where)


def _short(path: str) -> str:
    """The path as it would be typed in the working directory."""
    below = os.path.relpath(path) if os.path.isabs(path) else path
    return path if below.startswith(os.pardir) else below


def is_part_of(missing: str | None, name: str) -> bool:
    """Whether the module that an import did not find is `name` or a parent of it, and not one it imports."""
    return missing is not None and f"{name}.".startswith(f"{missing}.")


def not_found(name: str) -> TargetError:
    """The error for a module that is not there, with the names like it beside it; parents are imported."""
    parent = name.rpartition(".")[0]
    folders = getattr(sys.modules.get(parent), "__path__", None) if parent else sys.path[:1]
    start = f"{parent}." if parent else ""
    beside = [f"{start}{info.name}" for info in pkgutil.iter_modules(list(folders or []))]
    advice = f"gradscope trace -m {parent}" if parent and folders is None else ()
    return TargetError(f"no module named {name}{did_you_mean(name, beside)}", try_next=advice)
