"""Which Function or op a call belongs to, also where its file was loaded twice."""

from __future__ import annotations

import inspect
import os
from typing import Any, TypeAlias

from torch._library.custom_ops import CustomOpDef
from torch._ops import OpOverload, OpOverloadPacket
from torch.autograd import Function

from gradscope.checker.subject import Subject
from gradscope.checker.subjects.unwrapping import own_function, static

Key: TypeAlias = tuple[str, str]
"""The file and qualified name of a Function; the file loaded again (as `__main__`) gives the same. For an
op "" and its name ("mylib::sin")."""

MADE_FOR_OPS = "torch._library.autograd"
"""The module of the Functions that torch makes for custom ops."""


def key_of_class(cls: type) -> Key | None:
    """The key of a Function of the program, or of the op that torch made a Function for."""
    forward = static(cls, "forward")
    if not issubclass(cls, Function):
        return None
    if cls.__module__ == MADE_FOR_OPS:
        op = _op_behind(forward)
        return ("", op._schema.name) if op is not None else None
    function = own_function(forward)
    if function is None or cls.__module__.partition(".")[0] in ("torch", "functorch"):
        return None
    return os.path.realpath(function.__code__.co_filename), cls.__qualname__


def key_of_subject(subject: Subject) -> Key | None:
    """The key of a subject's calls; None for what no call is seen of (plain functions, modules)."""
    if subject.function is not None:
        return key_of_class(subject.function)
    call: Any = subject.call
    if isinstance(call, CustomOpDef):
        return "", call._qualname
    if isinstance(call, OpOverload):
        return "", call._schema.name
    if isinstance(call, OpOverloadPacket):
        return "", call._qualified_op_name
    return None


def _op_behind(forward: Any) -> OpOverload | None:
    """The op in the closure of a forward that torch made for it."""
    for cell in getattr(getattr(forward, "__func__", forward), "__closure__", None) or ():
        value = cell.cell_contents
        if isinstance(value, OpOverload):
            return value
        if inspect.isfunction(value) and (op := _op_behind(value)) is not None:
            return op
    return None
