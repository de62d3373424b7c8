"""A script or module, run as `__main__` exactly as Python would run it."""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

from gradscope.errors import TargetError
from gradscope.loader.source import compile_script, is_part_of, not_compiled, not_found
from gradscope.loader.target import Kind, Target


@dataclass(frozen=True, slots=True)
class Main:
    """What Python puts into `__main__` and `sys` for one way of being started."""

    code: CodeType
    file: str
    argv0: str
    path0: str
    loader: Any
    spec: ModuleSpec | None = None


class Script:
    """A target that is a program of its own: `run` is what `python TARGET ARGUMENTS` does.

    `sys.argv`, `sys.path[0]` and `sys.modules["__main__"]` stay as the program left them, because its
    exit functions run after us and must find them.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.main: ModuleType | None = None
        self._prepare: Callable[[], Main]
        if target.kind is Kind.RUN_MODULE:
            self._prepare = self._prepare_module
        else:
            found = _script(target.where)
            self._prepare = lambda: found

    def run(self) -> None:
        """Runs the program to its end; whatever it raises comes out, SystemExit included."""
        main = self._prepare()
        self.main = module = _main_module(main)
        sys.argv[:] = [main.argv0, *self.target.arguments]
        sys.orig_argv[:] = [sys.orig_argv[0], *self.target.command_line]
        set_path0(main.path0)
        sys.modules["__main__"] = module
        if "__mp_main__" in sys.modules:  # set by an earlier import of multiprocessing; children pickle by it
            sys.modules["__mp_main__"] = module
        exec(main.code, vars(module))

    def _prepare_module(self) -> Main:
        # As `python -m` does: the working directory is importable, and parents are imported first.
        name = self.target.where
        sys.argv[:] = ["-m", *self.target.arguments]
        set_path0(os.getcwd())
        spec = _module_spec(name)
        try:
            code = spec.loader.get_code(spec.name) if spec.loader is not None else None  # type: ignore[attr-defined]
        except SyntaxError as error:
            raise not_compiled(spec.origin or name, error) from None
        if code is None:
            raise TargetError(f"{name} has no Python code to run")
        file = spec.origin or name
        return Main(code, file, file, sys.path[0], spec.loader, spec)


def _script(path: str) -> Main:
    # Python puts the working directory before the path as it was typed, and leaves the dots in.
    absolute = os.path.abspath(path) if os.name == "nt" else os.path.join(os.getcwd(), path)
    if os.path.isdir(path) or not path.endswith((".py", ".pyw", ".pyc")):
        importer: Any = pkgutil.get_importer(absolute)
        spec = importer.find_spec("__main__") if importer is not None else None
        if spec is not None and spec.loader is not None:
            try:
                code = spec.loader.get_code("__main__")
            except SyntaxError as error:
                raise not_compiled(spec.origin, error) from None
            return Main(code, spec.origin, path, absolute, spec.loader, spec)
    code = compile_script(absolute)
    loader = importlib.machinery.SourceFileLoader("__main__", absolute)
    return Main(code, absolute, path, os.path.dirname(os.path.realpath(path)), loader)


def _module_spec(name: str) -> ModuleSpec:
    """What `python -m name` runs: the module, or the `__main__` of the package, of that name."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not is_part_of(error.name, name):
            raise  # a parent of it imports something that is missing: the program's own failure
        raise not_found(error.name or name) from None
    if spec is None:
        raise not_found(name)
    if spec.submodule_search_locations is None:
        return spec
    main = importlib.util.find_spec(f"{name}.__main__")
    if main is None:
        inside = [info.name for info in pkgutil.iter_modules(list(spec.submodule_search_locations))]
        advice = [f"gradscope trace -m {name}.{module}" for module in inside[:3]]
        raise TargetError(f"{name} is a package without a __main__.py, so -m cannot run it", try_next=advice)
    return main


def _main_module(main: Main) -> ModuleType:
    module = ModuleType("__main__")
    spec = main.spec
    attributes = {
        "__file__": main.file,
        "__builtins__": builtins,
        "__loader__": main.loader,
        "__spec__": spec,
        "__package__": spec.parent if spec is not None else None,
        "__cached__": spec.cached if spec is not None else None,
    }
    if sys.version_info < (3, 14):  # later ones make annotations when asked for
        attributes["__annotations__"] = {}
    vars(module).update(attributes)
    return module


def set_path0(folder: str) -> None:
    """Puts `folder` where Python put the folder of our own start; with `-P` it puts none."""
    if not sys.flags.safe_path:
        sys.path[0] = folder
