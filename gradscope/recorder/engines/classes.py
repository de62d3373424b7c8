"""Which classes are micrograd-style engines, told by their names alone: nothing of them is called.

A value has `data` and `grad`, and what it was made of in `_prev`, or in what others call that.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from gradscope.recorder.engines.doors import Door

OPERANDS = ("_prev", "prev", "_parents", "parents", "_children")
_NAMES = frozenset(("data", "grad"))


def is_engine(cls: type) -> bool:
    """Whether objects of this class are values of a graph: they have our names, and can run backward."""
    return isinstance(lookup(cls, "backward"), FunctionType) and _has_names(names_of(cls))


def _has_names(names: set[str]) -> bool:
    return names >= _NAMES and not names.isdisjoint(OPERANDS)


def lookup(cls: type, name: str) -> Any:
    """An attribute of a class as the program wrote it; descriptors and metaclasses are not asked."""
    return next((behind(own(each)[name]) for each in _lineage(cls) if name in own(each)), None)


def behind(attribute: Any) -> Any:
    """What the program wrote where a door of ours stands now; anything else as it is."""
    while isinstance(attribute, Door):
        attribute = attribute.original
    return attribute


def _lineage(cls: type) -> tuple[type, ...]:
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
    return found


def own(cls: type) -> Any:
    """The class's own attributes; a metaclass is not asked."""
    return type.__dict__["__dict__"].__get__(cls)


def names_of(cls: type) -> set[str]:
    """The attributes that its objects may have: set by `__init__`, fields, slots, properties."""
    found: set[str] = set()
    for each in _lineage(cls):
        if each is object:
            continue
        attributes = own(each)
        found.update(attributes)
        found.update(attributes.get("__annotations__") or ())
        slots = attributes.get("__slots__") or ()
        found.update((slots,) if isinstance(slots, str) else slots)
        init = behind(attributes.get("__init__"))
        if isinstance(init, FunctionType):
            found.update(init.__code__.co_names)
    return found


def may_define_engine(code: CodeType) -> bool:
    """Whether a class statement in this code may make an engine: a body in it has the names."""
    return any(_has_names(_words(body)) for body in _inner(code))


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (each for each in code.co_consts if isinstance(each, CodeType))


def _words(body: CodeType) -> set[str]:
    # an annotation without a value is a constant of the body: its name
    words = {*body.co_names, *(each for each in body.co_consts if isinstance(each, str))}
    for method in _inner(body):
        words.update(method.co_names, (method.co_name,))
    return words


def method_codes(cls: type) -> set[CodeType]:
    """The code of every method of the class and its bases, and of what is defined inside them."""
    found: set[CodeType] = set()
    todo = [
        function.__code__
        for each in _lineage(cls)
        for attribute in own(each).values()
        for function in _functions(attribute)
    ]
    while todo:
        code = todo.pop()
        if code not in found:
            found.add(code)
            todo.extend(_inner(code))
    return found


def _functions(attribute: Any) -> list[FunctionType]:
    attribute = behind(attribute)
    if isinstance(attribute, (staticmethod, classmethod)):
        attribute = attribute.__func__
    parts = (attribute.fget, attribute.fset) if isinstance(attribute, property) else (attribute,)
    return [part for part in parts if isinstance(part, FunctionType)]


def existing_engines() -> list[type]:
    """The engines among all classes that exist already."""
    with_backward: dict[type, None] = {}
    for cls in _defining_backward():
        if isinstance(behind(own(cls)["backward"]), FunctionType):
            with_backward.update(dict.fromkeys((cls, *_below(cls))))
    return [cls for cls in with_backward if is_engine(cls)]


def _defining_backward() -> list[type]:
    """Of all classes, those with an attribute of that name. Asked at every start: there are ten thousand."""
    attributes_of, subclasses_of = type.__dict__["__dict__"].__get__, type.__subclasses__
    found: list[type] = []
    todo: list[type] = [object]
    seen: set[type] = {object}
    while todo:
        subclasses: list[type] = subclasses_of(todo.pop())
        for each in subclasses:
            if each not in seen:
                seen.add(each)
                todo.append(each)
                if "backward" in attributes_of(each):
                    found.append(each)
    return found


def _below(cls: type) -> Iterator[type]:
    """Every subclass, and theirs, each once."""
    seen: set[type] = set()
    todo: list[type] = [cls]
    while todo:
        subclasses: list[type] = type.__subclasses__(todo.pop())
        for each in subclasses:
            if each not in seen:
                seen.add(each)
                todo.append(each)
                yield each
