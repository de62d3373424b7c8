"""Custom ops as subjects: of `torch.library.custom_op`, registered by name, or named in `torch.ops`."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch._library.custom_ops import OPDEFS, CustomOpDef
from torch._ops import OpOverload, OpOverloadPacket

from gradscope.checker.subject import Subject
from gradscope.checker.subjects import sources
from gradscope.checker.subjects.unwrapping import read_signature
from gradscope.facts.checks import SubjectKind
from gradscope.syntax.registrations import Registered, registered_autograds


def custom_op_subject(op: CustomOpDef, name: str) -> Subject:
    """An op that `torch.library.custom_op` made."""
    lines = sources.lines_of_op(op._init_fn, op._backward_fn, op._setup_context_fn, op._vmap_fn)
    return Subject(
        name,
        SubjectKind.CUSTOM_OP,
        op,
        read_signature(op._init_fn),
        None,
        lines,
        sources.declaration_of(lines),
        op._backward_fn,
        sources.notes_of(lines),
    )


def registered_ops(module: ModuleType) -> list[Subject]:
    """Operators that were defined by their schema, and for which this file calls `register_autograd`."""
    found = []
    for registered in _registered(module):
        operator = _operator_named(registered.op)
        if operator is not None and registered.op not in OPDEFS:
            found.append(_defined(operator, registered, module))
    return found


def _registered(module: ModuleType | None) -> tuple[Registered, ...]:
    path = getattr(module, "__file__", None)
    return registered_autograds(sources.source_text(path)) if path is not None else ()


def _operator_named(name: str) -> OpOverload | None:
    namespace, _, rest = name.partition("::")
    opname, _, overload = rest.partition(".")
    packet = getattr(getattr(torch.ops, namespace), opname, None)
    return getattr(packet, overload or "default", None)


def _defined(operator: OpOverload, registered: Registered, module: ModuleType) -> Subject:
    backward = _at(module, registered.backward)
    lines = sources.lines_of_registered(str(module.__file__), registered)
    return Subject(
        registered.op.rpartition("::")[2],
        SubjectKind.CUSTOM_OP,
        operator,
        _schema_signature(operator),
        None,
        lines,
        sources.declaration_of(lines),
        backward,
        sources.notes_of(lines),
    )


def _at(module: ModuleType, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def operator_subject(
    operator: OpOverload | OpOverloadPacket, name: str, module: ModuleType | None
) -> Subject:
    """An operator of `torch.ops`; where `custom_op` made it, or the module registers it, it is that one."""
    overload = operator if isinstance(operator, OpOverload) else _first_overload(operator)
    defined = OPDEFS.get(overload._schema.name)
    if defined is not None:
        return custom_op_subject(defined, name)
    for registered in _registered(module):
        if registered.op == overload._schema.name and module is not None:
            return replace(_defined(overload, registered, module), name=name)
    return Subject(name, SubjectKind.CUSTOM_OP, operator, _schema_signature(overload))


def _first_overload(packet: OpOverloadPacket) -> OpOverload:
    names: list[str] = packet.overloads()  # type: ignore[no-untyped-call]  # torch has no annotation there
    overload: OpOverload = getattr(packet, "default" if "default" in names else names[0])
    return overload


def _schema_signature(operator: OpOverload) -> inspect.Signature:
    """The schema's arguments, with its defaults."""
    return inspect.Signature(
        [
            inspect.Parameter(
                "input" if argument.name == "self" else argument.name,
                inspect.Parameter.KEYWORD_ONLY
                if argument.kwarg_only
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=argument.default_value if argument.has_default_value() else inspect.Parameter.empty,
                annotation=str(argument.type),
            )
            for argument in operator._schema.arguments
        ]
    )
