"""The user's own `def` under decorators, partials and static methods; nothing is called to find it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import torch

from gradscope.recorder.places import is_inner

_DEEPEST = 20


def layers(value: Any) -> Iterator[FunctionType]:
    """The functions that a callable consists of, the outermost first: decorators, then what they wrap.

    `functools.wraps` tells what is wrapped; for a decorator that does not use it, the function of its
    closure that bears another name than its own code is taken where there is exactly one.
    """
    for _ in range(_DEEPEST):
        value = _bare(value)
        if isinstance(value, FunctionType):
            yield value
            value = getattr(value, "__wrapped__", None) or _enclosed(value)
        else:  # compiled by torch.jit.script, which keeps what it was made from
            value = getattr(value, "__wrapped__", None) or getattr(value, "_torchdynamo_inline", None)


def own_function(value: Any) -> FunctionType | None:
    """The innermost function that neither torch nor the standard library wrote.

    Of something of torch's own that is its innermost function; None for what `Function` itself defines, and
    for what is written in C.
    """
    found = list(layers(value))
    own = [layer for layer in found if not is_inner(layer.__code__)]
    if own:
        return own[-1]
    return found[-1] if found and found[-1].__code__.co_filename != _FUNCTION_FILE else None


def is_once_differentiable(value: Any) -> bool:
    """Whether a backward is decorated by torch's `once_differentiable`, also under other decorators."""
    return any(layer.__code__ is _ONCE for layer in layers(value))


def read_signature(function: Any) -> inspect.Signature | None:
    """The signature of anything that can be called, None where it cannot be read."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # written in C, or no signature can be read
        return None


def static(cls: type, name: str) -> Any:
    """A class's attribute as it was written, without binding it; None where there is none."""
    return inspect.getattr_static(cls, name, None)


def _bare(value: Any) -> Any:
    """What static and class methods, bound methods and partials hold."""
    while True:
        if isinstance(value, staticmethod | classmethod) or inspect.ismethod(value):
            value = value.__func__
        elif isinstance(value, functools.partial):
            value = value.func
        else:
            return value


def _enclosed(function: FunctionType) -> FunctionType | None:
    """What a decorator without `functools.wraps` wraps: `def backward(...)` seen from `wrapper`."""
    if function.__code__.co_name == function.__name__ and not is_wrapper(function):
        return None
    held = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    functions = [each for each in map(_bare, held) if isinstance(each, FunctionType)]
    return functions[0] if len(functions) == 1 else None


def is_wrapper(function: FunctionType) -> bool:
    """Whether a function takes whatever it is given, as wrappers do: `(*args, **kwargs)` alone."""
    code = function.__code__
    takes_all = bool(code.co_flags & inspect.CO_VARARGS)
    return (
        takes_all and code.co_argcount <= 1 and not code.co_kwonlyargcount and "<locals>" in code.co_qualname
    )


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  an empty cell raises when it is read
    except ValueError:
        return False
    return True


def _once_wrapper() -> CodeType | None:
    """The code that every backward decorated by `once_differentiable` shares."""
    decorator = getattr(torch.autograd.function, "once_differentiable", None)
    constants = decorator.__code__.co_consts if isinstance(decorator, FunctionType) else ()
    return next((each for each in constants if isinstance(each, CodeType)), None)


_ONCE = _once_wrapper()
_FUNCTION_FILE = torch.autograd.function.__file__
