"""What the program calls an object: the variable, attribute or item that holds it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_OPTIMIZED
from types import FrameType, FunctionType, ModuleType
from typing import Any

from gradscope.recorder.places import is_inner

_OURS = 3  # references: the frame's, ours, and that of the call which counts them
_arguments: dict[str, Any] = {}  # of the call that gradscope itself makes: no frame of the program has them


@contextmanager
def named_arguments() -> Iterator[dict[str, Any]]:
    """Names for the tensors that are put into the dict, until the block is left."""
    try:
        yield _arguments
    finally:
        _arguments.clear()


def user_frames(start: FrameType | None = None) -> Iterator[FrameType]:
    """The program's frames, innermost first."""
    frame = start if start is not None else sys._getframe(1)
    while frame is not None:
        if not is_inner(frame.f_code):
            yield frame
        frame = frame.f_back  # type: ignore[assignment]


def variables_of(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame by name.

    Before Python 3.13 asking a function's frame leaves a copy of them in it, which would keep tensors alive
    that the function has let go of: it is emptied, unless the function has asked for it too (`locals()`).
    """
    seen: dict[str, Any] = frame.f_locals
    if type(seen) is not dict or not frame.f_code.co_flags & CO_OPTIMIZED:
        return seen
    found = seen.copy()
    if sys.getrefcount(seen) <= _OURS:
        seen.clear()
    return found


def variable_spaces() -> list[dict[str, Any]]:
    """The program's variables by name: locals of its frames, innermost first, then globals."""
    frames = list(user_frames()) or [f for top in sys._current_frames().values() for f in user_frames(top)]
    spaces: list[dict[str, Any]] = [variables_of(frame) for frame in frames]
    if frames:
        spaces.append(frames[-1].f_globals)
    spaces.append(_arguments)
    main = sys.modules.get("__main__")
    if main is not None:
        spaces.append(vars(main))
    return spaces


def variable_name(thing: Any) -> str | None:
    """The name of a local or global variable that holds `thing` now, or `owner.attribute`, or `items[0]`."""
    spaces = variable_spaces()
    for space in spaces:
        for name, held in list(space.items()):
            if held is thing and not name.startswith("__"):
                return name
    for space in spaces:
        for name, held in list(space.items()):
            inside = None if name.startswith("__") else _inside(held, thing)
            if inside is not None:
                return name + inside
    return None


def _inside(holder: Any, thing: Any) -> str | None:
    if type(holder) in (list, tuple):
        for index, item in enumerate(holder[:256]):
            if item is thing:
                return f"[{index}]"
    elif type(holder) is dict:
        for key, item in list(holder.items())[:256]:
            if item is thing:
                return f"[{key!r}]"
    elif not isinstance(holder, (ModuleType, FunctionType, type)):
        for name, item in list(getattr(holder, "__dict__", {}).items())[:256]:
            if item is thing:
                return f".{name}"
            if name in ("_modules", "_parameters", "_buffers") and type(item) is dict:
                named = next((f".{inner}" for inner, held in item.items() if held is thing), None)
                if named is not None:
                    return named
            elif type(item) in (list, tuple, dict):
                deeper = _inside(item, thing)
                if deeper is not None:
                    return f".{name}{deeper}"
    return None
