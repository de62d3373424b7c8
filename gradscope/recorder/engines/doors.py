"""Doors: what stands in a class, or in `builtins`, so that we learn of something just before it happens.

Descriptors do it, because they are asked for a method and are gone when it runs: the program's own function
is what is called, in its own frame, and a frame of ours is on the stack only during a backward.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any


class Door:
    """In place of a method of the program; a class that is asked for it gives the program's own function.

    `original` is what stood there: that function, or the door of another recorder. `by` is who put it in.
    """

    __slots__ = ("by", "original")

    def __init__(self, original: FunctionType | Door, by: object) -> None:
        self.original = original
        self.by = by

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.original.__get__(instance, owner)


class InitDoor(Door):
    """Tells of every object of a class just before its `__init__`; `born` must not raise."""

    __slots__ = ("_born",)

    def __init__(self, original: FunctionType | Door, by: object, born: Callable[[Any], None]) -> None:
        super().__init__(original, by)
        self._born = born

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is not None:
            self._born(instance)
        return self.original.__get__(instance, owner)


class BackwardDoor(Door):
    """Puts `around` in front of a method, unless `is_inside` says that one of its calls is running."""

    __slots__ = ("_around", "_is_inside")

    def __init__(
        self,
        original: FunctionType | Door,
        by: object,
        around: Callable[..., Any],
        is_inside: Callable[[], bool],
    ) -> None:
        super().__init__(original, by)
        self._is_inside = is_inside

        @functools.wraps(original.__get__(None, object))
        def watched(value: Any, /, *args: Any, **kwargs: Any) -> Any:
            return around(original.__get__(value, type(value)), value, args, kwargs)

        self._around = watched

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or self._is_inside():
            return self.original.__get__(instance, owner)
        return MethodType(self._around, instance)


class ClassStatement:
    """In place of `builtins.__build_class__`: asks `door` each time what to call; no frame is added.

    Metaclasses that look at the frame of their class statement find it where it always is.
    """

    def __init__(self, door: Callable[[], Callable[..., type]]) -> None:
        self._door = door

    @property
    def __call__(self) -> Callable[..., type]:
        """What makes this class."""
        return self._door()
