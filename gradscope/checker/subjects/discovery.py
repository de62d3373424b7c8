"""The functions of a module that have a backward of their own, and any value that was named."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from torch import nn
from torch._library.custom_ops import OPDEFS, CustomOpDef
from torch._ops import OpOverload, OpOverloadPacket
from torch.autograd import Function

from gradscope.checker.subject import Subject
from gradscope.checker.subjects import sources
from gradscope.checker.subjects.custom_ops import custom_op_subject, operator_subject, registered_ops
from gradscope.checker.subjects.keys import key_of_class
from gradscope.checker.subjects.unwrapping import layers, own_function, read_signature, static
from gradscope.errors import TargetError
from gradscope.facts.checks import SubjectKind
from gradscope.loader.inputs import signature_text
from gradscope.loader.model import required_of
from gradscope.syntax import definitions


def subjects_of(module: ModuleType, seen: Iterable[type[Function]] = ()) -> list[Subject]:
    """Every Function that the module itself defines, and every custom op with a registered autograd.

    In order of source. Left out are imported ones, and Functions without a forward or a backward: bases
    for others, and ops that are never differentiated. `seen` are Functions that a program called: those
    that this file makes inside functions are its own too.
    """
    functions = _functions_in(module)
    known = {key_of_class(cls) for cls in functions}
    for cls in seen:
        if key_of_class(cls) not in known and _is_from(cls, module):
            functions[cls] = cls.__qualname__.replace("<locals>.", "")
    found = [_function(cls, name) for cls, name in functions.items() if _is_complete(cls)]
    found += [custom_op_subject(op, name) for op, name in _ops_in(module) if op._backward_fn is not None]
    found += registered_ops(module)
    return [subject for _, subject in sorted(enumerate(found), key=_place)]


def subject_of(value: object, name: str, module: ModuleType | None = None) -> Subject | None:
    """The subject for a value that was named; None for what cannot be differentiated.

    A Function or its `apply`, a custom op, an operator of `torch.ops`, an nn.Module or its class, or
    anything else that can be called. A class of modules is constructed; TargetError where it needs arguments.
    """
    if (cls := function_of(value)) is not None:
        return _function(cls, name)
    if isinstance(value, CustomOpDef):
        return custom_op_subject(value, name)
    if isinstance(value, OpOverload | OpOverloadPacket):
        return operator_subject(value, name, module)
    if isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module)):
        return _module(value, name)
    if isinstance(value, type) or not callable(value):
        return None
    return _callable(value, name)


def function_of(value: object) -> type[Function] | None:
    """The Function that a value is, or whose `apply` it is."""
    if inspect.ismethod(value) and value.__name__ == "apply":
        value = value.__self__
    return value if isinstance(value, type) and issubclass(value, Function) else None


def _place(numbered: tuple[int, Subject]) -> tuple[bool, int, int]:
    number, subject = numbered
    where = subject.lines.whole
    return (where is None, where.line if where is not None else 0, number)


# ---------------------------------------------------------------- Functions


def _functions_in(module: ModuleType) -> dict[type[Function], str]:
    """The module's own Functions and their names: also those nested in classes, or known by their `apply`."""
    found: dict[type[Function], str] = {}
    aliases: dict[type[Function], str] = {}
    for path, value in _members(module):
        cls = function_of(value)
        if cls is None or cls.__module__ != module.__name__:
            continue
        named = found if cls is value and path == cls.__qualname__ else aliases
        named.setdefault(cls, path)
    return found | {cls: path for cls, path in aliases.items() if cls not in found}


def _is_from(cls: type[Function], module: ModuleType) -> bool:
    """Whether a Function is defined in the module's file, also where that was run as `__main__`."""
    path, key = getattr(module, "__file__", None), key_of_class(cls)
    return path is not None and key is not None and os.path.realpath(path) == key[0]


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """(dotted path, value) of everything in a module's namespace, and in the classes that it defines."""
    waiting = [(name, value) for name, value in vars(module).items()]
    seen: set[int] = set()
    while waiting:
        path, value = waiting.pop(0)
        value = value.__func__ if isinstance(value, staticmethod) else value
        yield path, value
        if isinstance(value, type) and value.__module__ == module.__name__ and id(value) not in seen:
            seen.add(id(value))
            waiting += [
                (f"{path}.{name}", each) for name, each in vars(value).items() if not name.startswith("__")
            ]


def _is_complete(cls: type[Function]) -> bool:
    """Whether a Function has a forward and a backward, or a jvp, that are more than a promise."""
    forward = static(cls, "forward")
    if forward is static(Function, "forward") or _is_promise(forward):
        return False
    ways = ("backward", "vjp", "jvp")
    return any(
        static(cls, way) is not static(Function, way) and not _is_promise(static(cls, way)) for way in ways
    )


def _is_promise(method: Any) -> bool:
    """Whether a method does nothing but raise NotImplementedError: that of a base class."""
    function = own_function(method)
    if function is None:
        return False
    code = function.__code__
    text = sources.source_text(code.co_filename)
    node = definitions.function_at(text, code.co_firstlineno, code.co_name)
    return node is not None and definitions.is_promise(node)


def _function(cls: type[Function], name: str) -> Subject:
    lines = sources.lines_of_function(cls)
    return Subject(
        name,
        SubjectKind.FUNCTION,
        cls.apply,
        _signature_of_function(cls),
        cls,
        lines,
        sources.declaration_of(lines),
        notes=sources.notes_of(lines),
    )


def _signature_of_function(cls: type[Function]) -> inspect.Signature | None:
    """The arguments of `apply`: forward's, without `ctx` where forward takes it."""
    forward = static(cls, "forward")
    known = [signature for layer in layers(forward) if (signature := read_signature(layer)) is not None]
    telling = [signature for signature in known if not _takes_anything(signature)]
    signature = next(iter(telling or known), None)
    if signature is None or cls.setup_context is not Function.setup_context:
        return signature
    # A classmethod takes the class before ctx.
    before = 2 if isinstance(inspect.getattr_static(cls, "forward", None), classmethod) else 1
    given = list(signature.parameters.values())
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in given[:before]):
        return signature
    return signature.replace(parameters=given[before:])


def _takes_anything(signature: inspect.Signature) -> bool:
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _ops_in(module: ModuleType) -> Iterator[tuple[CustomOpDef, str]]:
    """The custom ops whose function the module defines, under the name they have there."""
    names = {id(value): path for path, value in _members(module) if isinstance(value, CustomOpDef)}
    for op in list(OPDEFS.values()):
        if getattr(op._init_fn, "__module__", None) == module.__name__:
            yield op, names.get(id(op), op._name)


# ---------------------------------------------------------------- modules and plain callables


def _module(value: nn.Module | type[nn.Module], name: str) -> Subject:
    module = value if isinstance(value, nn.Module) else _built(value, name)
    lines = sources.lines_of_module(module)
    return Subject(name, SubjectKind.MODULE, module, read_signature(module.forward), lines=lines)


def _built(cls: type[nn.Module], name: str) -> nn.Module:
    needed = required_of(cls)
    if needed:
        values = ", ".join(f"{parameter}=..." for parameter in needed)
        signature = read_signature(cls)
        raise TargetError(
            f"{name}{signature_text(signature) if signature is not None else '(...)'} needs "
            f"{'arguments' if len(needed) > 1 else 'the argument'} {', '.join(needed)} to be constructed",
            try_next=(f"name a factory that you write beside it: def build(): return {name}({values})",),
        )
    return cls()


def _callable(function: Callable[..., Any], name: str) -> Subject:
    lines = sources.lines_of_callable(function)
    return Subject(
        name,
        SubjectKind.CALLABLE,
        function,
        read_signature(function),
        lines=lines,
        declared=sources.declaration_of(lines),
    )
