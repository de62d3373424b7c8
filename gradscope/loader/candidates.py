"""A script that defined modules and called no backward: which of them to trace."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import CodeType, ModuleType

from torch import nn

from gradscope.errors import TargetError
from gradscope.loader.guess import guess_inputs
from gradscope.loader.model import required_of


def outermost_modules(module: ModuleType) -> dict[str, nn.Module | type[nn.Module]]:
    """The modules that a file made or defined, by name, without those that are parts of others.

    Where it holds instances, they are meant; otherwise its classes, without base classes and classes
    that another one's code names.
    """
    names = vars(module)
    instances = {
        name: value for name, value in names.items() if isinstance(value, nn.Module) and name[0] != "_"
    }
    if instances:
        parts = {id(part) for value in instances.values() for part in list(value.modules())[1:]}
        return {name: value for name, value in _unique(instances).items() if id(value) not in parts}
    classes = {
        name: value
        for name, value in names.items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    }
    used = {name for other in classes.values() for name in _named_by(other)}
    outer = {name: value for name, value in classes.items() if name not in used}
    return dict(outer or classes)


def _unique(instances: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    seen: set[int] = set()
    found = {}
    for name, value in instances.items():
        if id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found


def _named_by(cls: type) -> set[str]:
    """The names that the methods and bases of a class mention, its own excepted."""
    names = {base.__name__ for base in cls.__mro__[1:]}
    waiting = [f.__code__ for f in vars(cls).values() if inspect.isfunction(f)]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return names - {cls.__name__}


def the_one(module: ModuleType, target: str) -> tuple[str, nn.Module | type[nn.Module]] | None:
    """The one module to trace, with its name; None where the file has none at all.

    Raises TargetError where there are several, with the exact command to type for the first.
    """
    found = outermost_modules(module)
    if len(found) > 1:
        raise _several(found, target)
    return next(iter(found.items()), None)


def _several(found: Mapping[str, nn.Module | type[nn.Module]], target: str) -> TargetError:
    (name, first), *_ = found.items()
    options, reason = _shape_guess(name, first)
    command = f"gradscope trace {target}:{name}{options}"
    return TargetError(
        f"{target} defines {len(found)} modules and never calls backward; say which one to trace",
        try_next=(command, f"({', '.join(found)}{reason})"),
    )


def _shape_guess(name: str, found: nn.Module | type[nn.Module]) -> tuple[str, str]:
    """A guessed `--input` for the command, and where it comes from; a class is constructed to find out."""
    if isinstance(found, type):
        if required_of(found):
            return " --input '...'", ""
        try:
            found = found()
        except Exception:  # noqa: BLE001  only a guess is lost; tracing it will show the error
            return " --input '...'", ""
    guesses = guess_inputs(found)
    if not guesses:
        return " --input '...'", ""
    return f" {guesses[0].options}", f"; the shape is a guess from {name}.{guesses[0].layer}"
