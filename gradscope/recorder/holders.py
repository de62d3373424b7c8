"""Who keeps objects alive: the variable, attribute or closure at the end of the references to them."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CellType, FrameType, FunctionType, MappingProxyType, ModuleType
from typing import Any

import torch
from torch import nn

from gradscope.recorder.names import variable_spaces
from gradscope.recorder.places import is_inner

_DEPTH = 8  # references between an object and the name of what holds it
_WIDTH = 32  # holders followed at each distance
_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_REGISTRIES = frozenset(["_buffers", "_modules", "_parameters"])  # a module's attributes that are dicts


@dataclass(frozen=True, slots=True)
class Holder:
    """A named thing that keeps objects alive: one of them itself, or a container around them.

    `reached` counts the objects it keeps alive. `growing` is False for what nothing can be put into (a
    tuple, a tensor). `path` is the file of the code that owns the name, where it is known.
    """

    name: str
    reached: int
    growing: bool
    path: str | None = None


@dataclass(slots=True, eq=False)
class _Link:
    """An object, and the links of the things it refers to that lead to the objects in question."""

    thing: Any
    inner: list[_Link]
    reached: frozenset[int]


def holders_of(things: Sequence[Any]) -> list[Holder]:
    """The named holders of these objects, the nearest first.

    Walks outwards over containers, closures and the attributes of objects, all objects at once, since
    each distance costs a pass over everything that Python's collector knows.
    """
    names = _variables()
    level = [_Link(thing, [], frozenset([index])) for index, thing in enumerate(things)]
    seen = {id(thing) for thing in things}
    found: list[Holder] = []
    for _ in range(_DEPTH):
        for link in level:
            found.extend(_named(link, names))
        level = list(_outwards([link for link in level if not _ends(link.thing)], seen))
    return found


def _variables() -> dict[int, str]:
    """Names by the identity of what they are bound to; `_` and `__name__` name nothing."""
    names: dict[int, str] = {}
    for space in variable_spaces():
        for name, held in list(space.items()):
            if name != "_" and not name.startswith("__"):
                names.setdefault(id(held), name)
    return names


def _outwards(level: list[_Link], seen: set[int]) -> Iterator[_Link]:
    """What refers to the things of a level, except what was met before."""
    by_id = {id(link.thing): link for link in level}
    referrers = gc.get_referrers(*(link.thing for link in level)) if level else []
    new = 0
    for referrer in referrers:
        if id(referrer) in seen or not _leads_on(referrer):
            continue
        inner = [by_id[key] for key in {id(one) for one in gc.get_referents(referrer)} if key in by_id]
        if not inner:
            continue
        seen.add(id(referrer))
        yield _Link(referrer, inner, frozenset().union(*(link.reached for link in inner)))
        new += 1
        if new == _WIDTH:
            return


def _leads_on(referrer: Any) -> bool:
    """Whether a reference can be the program's own; a node's context lies in the graph that is held."""
    if isinstance(referrer, (FrameType, ModuleType, torch._C._FunctionBase)):
        return False
    return not str(type(referrer).__module__).startswith("gradscope.")


def _ends(thing: Any) -> bool:
    """Whether nothing beyond `thing` is asked for: variables of a file, functions, classes, modules."""
    return _is_globals(thing) or isinstance(thing, (FunctionType, type, nn.Module))


def _is_globals(thing: Any) -> bool:
    return type(thing) is dict and "__builtins__" in thing


def _named(link: _Link, names: dict[int, str]) -> Iterator[Holder]:
    """The names that end at this link: its own variable, and those it gives to what it holds."""
    thing = link.thing
    own = names.get(id(thing))
    if own is not None and (not link.inner or isinstance(thing, _CONTAINERS)):
        yield _holder(own, link)
    if _is_globals(thing):
        for inner in link.inner:
            name = _key(thing, inner.thing)
            if name is not None and not name.startswith("__") and id(inner.thing) not in names:
                yield _holder(name, inner, thing.get("__file__"))
    elif isinstance(thing, FunctionType):
        yield from _closed_over(link, thing)
    elif link.inner and not isinstance(thing, (*_CONTAINERS, CellType)):
        owner = own or (thing if isinstance(thing, type) else type(thing)).__name__
        for inner in link.inner:
            for name, held in _attributes(thing, inner):
                yield _holder(f"{owner}.{name}", held, _file_of(thing))


def _holder(name: str, held: _Link, path: str | None = None) -> Holder:
    growing = isinstance(held.thing, _CONTAINERS) and not isinstance(held.thing, (tuple, frozenset))
    return Holder(name, len(held.reached), growing, path)


def _closed_over(link: _Link, function: FunctionType) -> Iterator[Holder]:
    cells = function.__closure__ or ()
    for closure in link.inner:
        for cell in closure.inner:
            for name, one in zip(function.__code__.co_freevars, cells, strict=False):
                if one is cell.thing:
                    for held in cell.inner:
                        yield _holder(name, held, function.__code__.co_filename)


def _attributes(owner: Any, inner: _Link) -> Iterator[tuple[str, _Link]]:
    """(attribute, what it holds) of an object that refers to `inner`, directly or through its `__dict__`."""
    space = getattr(owner, "__dict__", None)
    if not isinstance(space, (dict, MappingProxyType)):
        space = {}
    held = inner.inner if inner.thing is space or isinstance(owner, type) else [inner]
    slots = [slot for kind in type(owner).__mro__ for slot in _slots(kind)]
    for one in held:
        name = _key(space, one.thing) or next(
            (s for s in slots if getattr(owner, s, None) is one.thing), None
        )
        if name in _REGISTRIES and isinstance(owner, nn.Module):
            for part in one.inner:
                registered = _key(one.thing, part.thing)
                if registered is not None:
                    yield registered, part
        elif name is not None:
            yield name, one


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _key(space: Any, thing: Any) -> str | None:
    return next((key for key, value in list(space.items()) if value is thing and isinstance(key, str)), None)


def _file_of(owner: Any) -> str | None:
    """The file of an object's class, None where that is no code of the program."""
    kind = owner if isinstance(owner, type) else type(owner)
    methods = (one.__code__ for one in vars(kind).values() if isinstance(one, FunctionType))
    code = next((code for code in methods if not is_inner(code)), None)
    return code.co_filename if code is not None else None
