"""`model.py:Net` and `package.models:Net`: importing the module and finding the attribute."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from torch import nn

from gradscope.errors import TargetError, closest
from gradscope.loader.ending import run_to_end
from gradscope.loader.script import set_path0
from gradscope.loader.source import compile_script, is_part_of, not_compiled, not_found
from gradscope.loader.target import Kind, Target

T = TypeVar("T")

_FEW = 3


def import_target(target: Target) -> ModuleType:
    """Imports the target's module, with its folder (or the working directory) importable.

    A file inside a package is imported as a member of it, so that its relative imports work. Whatever
    the module's own code raises comes out; TargetError where it is not there or does not compile.
    """
    sys.argv[:] = [target.where, *target.arguments]
    if target.kind is Kind.FILE_ATTRIBUTE:
        return _import_file(os.path.abspath(target.where))
    set_path0(os.getcwd())
    return _import_name(target.where)


def attribute_of(module: ModuleType, target: Target) -> object:
    """The target's attribute, which may be dotted; TargetError names the nearest where there is none."""
    found: object = module
    path = ""
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = f"{target.where}:{path}" if path else target.where
            public = (
                [other for other in vars(found) if not other.startswith("_")]
                if hasattr(found, "__dict__")
                else []
            )
            defined = [other for other in public if _is_its_own(vars(found)[other], module)]
            near = closest(name, public) or [
                other for other in defined if name.casefold() in other.casefold()
            ]
            guess = f"; did you mean {' or '.join(near)}?" if near else ""
            where = () if near or not defined else (f"it defines {', '.join(defined[:8])}",)
            start = f"gradscope trace {target.where}:{path}." if path else f"gradscope trace {target.where}:"
            advice = [f"{start}{other}" for other in (near or defined)[:_FEW]]
            raise TargetError(f"{owner} has no {name}{guess}", where=where, try_next=advice) from None
        path = f"{path}.{name}" if path else name
    return found


def is_file_of(module: ModuleType, target: Target) -> bool:
    """Whether a target's file is the one that the module was imported from."""
    file = getattr(module, "__file__", None)
    return file is not None and os.path.isfile(target.where) and os.path.samefile(file, target.where)


def read_named(option: str, read: Callable[[], T]) -> T:
    """What an option names ("--against other.py:df"), by code that may import a file of the program.

    TargetError, which names the option, where there is no such thing, or where the import fails.
    """
    found: list[T] = []
    try:
        end = run_to_end(lambda: found.append(read()))
    except TargetError as error:
        raise TargetError(f"{option}: {error.what}", where=error.where) from None
    if not found:
        reason = f"{end.error.type}: {end.error.message}" if end.error else f"exit {end.exit_status}"
        raise TargetError(f"{option} cannot be imported: {reason}")
    return found[0]


def _is_its_own(value: object, module: ModuleType) -> bool:
    """Whether a value is a class or function that the module defined, or an nn.Module that it made."""
    return getattr(value, "__module__", None) == module.__name__ or isinstance(value, nn.Module)


def _import_file(path: str) -> ModuleType:
    compile_script(path)  # says where, if it does not
    folder, file = os.path.split(path)
    name = os.path.splitext(file)[0]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        name = package if name == "__init__" else f"{package}.{name}"
    set_path0(folder)
    if "." in name and _finds(name, path):
        return importlib.import_module(name)
    return _load_alone(name.rpartition(".")[2], path)


def _finds(name: str, path: str) -> bool:
    """Whether importing `name` gives the file at `path`, and not another package of that name."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and os.path.samefile(spec.origin, path)


def _load_alone(name: str, path: str) -> ModuleType:
    # Its own name where it is free: classes are pickled by it, and siblings may import it.
    if name in sys.modules or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"_target_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} cannot be imported: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _import_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not is_part_of(error.name, name):
            raise
        raise not_found(error.name or name) from None
    except SyntaxError as error:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin != error.filename:
            raise
        raise not_compiled(spec.origin or name, error) from None
