"""Finds the engines of a program: those that exist, and those whose class statements run while we record."""

from __future__ import annotations

import builtins
import dataclasses
import sys
import weakref
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from gradscope.recorder.engines.classes import (
    existing_engines,
    is_engine,
    lookup,
    may_define_engine,
    method_codes,
    own,
)
from gradscope.recorder.engines.doors import BackwardDoor, ClassStatement, Door, InitDoor
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches, named_like


class Engines:
    """The classes that are engines, with a door in front of their `__init__` and their `backward`.

    `existing` are those that exist already, None to look for them among all classes, which takes some 20 ms.
    `codes` is the code of all their methods. Every door is taken out again by the `Patches`.
    """

    def __init__(
        self,
        now: Now,
        born: Callable[[Any], None],
        around: Callable[..., Any],
        is_inside: Callable[[], bool],
        existing: Iterable[type] | None = None,
    ) -> None:
        self._now = now
        self._born = born
        self._around = around
        self._is_inside = is_inside
        self._known: weakref.WeakSet[type] = weakref.WeakSet()
        self._statements: dict[CodeType, bool] = {}
        self._patches = Patches()
        self._existing = existing
        self.codes: set[CodeType] = set()

    def classes(self) -> tuple[type, ...]:
        """The engines, for `isinstance`."""
        return tuple(self._known)

    def install(self, patches: Patches) -> None:
        """Looks for engines, and listens to class statements and dataclasses."""
        self._patches = patches
        self._now.guarded("existing engines", self._find)
        build_class = builtins.__build_class__

        def built(*args: Any, **kwargs: Any) -> type:
            made: type = build_class(*args, **kwargs)
            self._now.guarded("a class", self.take, made)
            return made

        def door() -> Callable[..., type]:
            frame = sys._getframe(2)  # of the class statement: this function was called by a property
            return built if self._may_matter(frame.f_code) else build_class

        statement = ClassStatement(door)
        patches.replace(builtins, "__build_class__", statement)
        if hasattr(dataclasses, "_process_class"):  # private, and the one way by which all dataclasses come
            process_class = dataclasses._process_class

            def processed(*args: Any, **kwargs: Any) -> type:
                made: type = process_class(*args, **kwargs)
                self._now.guarded("a dataclass", self.take, made)
                return made

            patches.replace(dataclasses, "_process_class", named_like(process_class, processed))
        patches.finally_do(self._forget)

    def _may_matter(self, code: CodeType) -> bool:
        known = self._statements.get(code)
        if known is None:
            known = self._statements[code] = may_define_engine(code)
        return known

    def _find(self) -> None:
        for cls in existing_engines() if self._existing is None else self._existing:
            self.take(cls)

    def met(self, value: Any) -> None:
        """A value is made: its class may be one that inherits its engine from another one."""
        if type(value) not in self._known:
            self._now.guarded("a class", self.take, type(value))

    def take(self, cls: type) -> None:
        """Puts the doors in, where the class is an engine."""
        if not isinstance(cls, type) or not is_engine(cls):
            return
        self._known.add(cls)
        self.codes |= method_codes(cls)
        for name, door in (("__init__", self._init_door), ("backward", self._backward_door)):
            method = own(cls).get(name)
            if isinstance(method, Door) and method.by is self:
                self._take_out_later(cls, name, method)  # again, or the copy of a class that has its doors
            elif isinstance(method, (FunctionType, Door)):
                self._put(cls, name, door(method))
        if not self._has_door(cls):  # its backward is that of a base that is no engine by itself
            self._put(cls, "backward", self._backward_door(lookup(cls, "backward")))

    def _init_door(self, method: FunctionType | Door) -> Door:
        return InitDoor(method, self, self._born)

    def _backward_door(self, method: FunctionType | Door) -> Door:
        return BackwardDoor(method, self, self._around, self._is_inside)

    def _has_door(self, cls: type) -> bool:
        holder = next((each for each in cls.__mro__ if "backward" in own(each)), cls)
        method = own(holder).get("backward")
        return isinstance(method, Door) and method.by is self

    def _put(self, cls: type, name: str, door: Door) -> None:
        inherited = name not in own(cls)
        type.__setattr__(cls, name, door)
        self._take_out_later(cls, name, door, inherited=inherited)

    def _take_out_later(self, cls: type, name: str, door: Door, *, inherited: bool = False) -> None:
        reference = weakref.ref(cls)

        def take_out() -> None:
            owner = reference()
            if owner is None or own(owner).get(name) is not door:
                return  # the program has put something else there
            if inherited:
                type.__delattr__(owner, name)
            else:
                type.__setattr__(owner, name, door.original)

        self._patches.finally_do(take_out)

    def _forget(self) -> None:
        self._known = weakref.WeakSet()
        self._statements.clear()
        self.codes.clear()
