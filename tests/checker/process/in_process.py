"""The functions of a file that can be trusted, checked in the process of the tests."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from gradscope.checker.process.messages import Checked, Message
from gradscope.checker.process.program import run_request
from gradscope.checker.process.request import Request
from gradscope.checker.process.targets import own_program
from gradscope.facts import CheckedFunction
from gradscope.loader.target import Kind, Target


def check_file(path: str, name: str = "") -> tuple[CheckedFunction, ...]:
    """Checks the functions of a file in this process, or the one of that name.

    The modules that it imports from the file are forgotten again. Raises UsageError for what cannot be
    checked.
    """
    target = Target(f"{path}:{name}", Kind.FILE_ATTRIBUTE, path, name) if name else None
    target = target or Target(path, Kind.SCRIPT, path)
    found: list[CheckedFunction] = []

    def hear(message: Message) -> None:
        if isinstance(message, Checked) and isinstance(message.function, CheckedFunction):
            found.append(message.function)

    main, modules = sys.modules["__main__"], set(sys.modules)
    path_before, arguments = sys.path[:], sys.argv[:]
    try:
        run_request(Request(target, program=own_program(target)), hear)
    finally:
        sys.modules["__main__"] = main
        sys.path[:], sys.argv[:] = path_before, arguments
        for added in [
            key for key, module in sys.modules.items() if key not in modules and _is_at(module, path)
        ]:
            del sys.modules[added]
    return tuple(found)


def _is_at(module: ModuleType, path: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.realpath(file) == os.path.realpath(path)
