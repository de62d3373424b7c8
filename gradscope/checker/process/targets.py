"""What `gradscope check` accepts as TARGET, and which program shows the calls. No torch here."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import replace

from gradscope.errors import TargetError
from gradscope.loader.target import Kind, Target, parse_target
from gradscope.syntax.entry import main_block

_SIGNS = ("Function", "custom_op")
_FEW = 3
_EXAMPLES = (
    "gradscope check ops.py",
    "gradscope check ops.py:Softmax --input 'randn(4, 3)'",
    "gradscope check package.ops",
)


def parse_words(words: Sequence[str], run_module: str | None = None) -> Target:
    """The target of a command line, and the arguments of the program that is run.

    Whole files and modules have no `attribute`. Raises TargetError where there is no such file or module,
    or where it is not a Python file.
    """
    if run_module is None and not words:
        raise TargetError("say what to check", try_next=_EXAMPLES)
    if run_module is None and _is_module(words[0]):
        return replace(parse_target(words[1:], words[0]), text=words[0])
    if run_module is None and os.path.isdir(words[0]):
        raise _folder(words[0])
    target = parse_target(words, run_module)
    if target.kind is Kind.SCRIPT and not target.where.endswith((".py", ".pyw")):
        raise TargetError(
            f"{target.where} is not a Python file; functions are checked in a file or a module",
            try_next=_EXAMPLES,
        )
    return target


def _folder(path: str) -> TargetError:
    """The error for a folder; the files of it that speak of what could be checked are named."""
    files = sorted(entry.path for entry in os.scandir(path) if entry.name.endswith(".py") and entry.is_file())
    able = [file for file in map(os.path.normpath, files) if any(word in _text(file) for word in _SIGNS)]
    return TargetError(
        f"{path} is a folder; one file or module is checked at a time",
        try_next=[f"gradscope check {file}" for file in able[:_FEW]] or _EXAMPLES,
    )


def _is_module(word: str) -> bool:
    """Whether a word that names no file is a module here or among the installed packages."""
    parts = word.split(".")
    if os.path.exists(word) or not all(part.isidentifier() for part in parts) or parts[-1] == "py":
        return False
    top, path = parts[0], os.path.join(*parts)
    if os.path.isdir(top) or os.path.isfile(f"{top}.py"):
        return os.path.isdir(path) or os.path.isfile(f"{path}.py")
    return importlib.util.find_spec(top) is not None


def capture_script(script: str, arguments: Sequence[str]) -> Target:
    """The script of `--capture` with its arguments; TargetError where it cannot be run."""
    target = parse_target([script, *arguments])
    if not target.is_program:
        raise TargetError(f"--capture {script} is not a script", try_next="--capture train.py")
    return target


def seen_program(target: Target, capture: str | None, *, no_run: bool) -> Target | None:
    """What is to be run so that its calls can be seen: the script of `--capture`, or the target's own.

    TargetError where there is no such script, or where arguments would be given to no program.
    """
    if capture is not None:
        return capture_script(capture, target.arguments)
    program = None if no_run else own_program(target)
    if program is None and target.arguments:
        raise unused_arguments(target, no_run=no_run)
    return program


def own_program(target: Target) -> Target | None:
    """The target's own file or module as a program; None where it has no `__main__` block.

    None also where the file does not speak of the function that was named: it is a typo, which is told
    at once.
    """
    is_file = target.kind in (Kind.SCRIPT, Kind.FILE_ATTRIBUTE)
    path = target.where if is_file else f"{target.where.replace('.', os.sep)}.py"
    if main_block(path) is None or target.attribute.partition(".")[0] not in _text(path):
        return None
    module = _in_package(target.where) if is_file else target.where
    if module:
        return Target(target.where, Kind.RUN_MODULE, module, "", target.arguments)
    return Target(target.where, Kind.SCRIPT, target.where, "", target.arguments)


def unused_arguments(target: Target, *, no_run: bool) -> TargetError:
    """The error for arguments where no program runs that could be given them: mostly a second target."""
    more = [word for word in target.arguments if os.path.isfile(word.partition(":")[0])]
    why = "--no-run" if no_run else f"{target.where} has no __main__ block that is run"
    if more:
        return TargetError(
            f"one file or module is checked at a time, and {more[0]} is a second",
            try_next=[f"gradscope check {word}" for word in more[:_FEW]],
        )
    return TargetError(
        f"{' '.join(target.arguments)} would be given to no program: {why}",
        try_next=f"gradscope check {target.text} --capture train.py -- {' '.join(target.arguments)}",
    )


def _in_package(path: str) -> str:
    """The dotted name of a file inside a package of the working directory; "" for any other file."""
    parts = os.path.relpath(path).removesuffix(".py").split(os.sep)
    folders = [os.path.join(*parts[:count]) for count in range(1, len(parts))]
    inside = [os.path.isfile(os.path.join(folder, "__init__.py")) for folder in folders]
    return ".".join(parts) if inside and all(inside) else ""


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
