"""To which name the result of a running op will be given, read from the instructions that follow it.

`w = w - lr * w.grad` is a subtraction directly followed by a store to `w`. The source is not needed, and
only the very op whose result is stored answers.
"""

from __future__ import annotations

import dis
from bisect import bisect_right
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from gradscope.recorder.names import variables_of

_NOTHING = object()
_SKIPPED = frozenset({"CACHE", "NOP", "EXTENDED_ARG", "PRECALL", "RESUME", "NOT_TAKEN"})
_LOADS = frozenset(
    {
        "LOAD_FAST",
        "LOAD_NAME",
        "LOAD_GLOBAL",
        "LOAD_DEREF",
        "LOAD_CONST",
        "LOAD_FAST_BORROW",
        "LOAD_SMALL_INT",
    }
)


@lru_cache(maxsize=4096)
def _instructions(code: CodeType) -> tuple[tuple[int, ...], tuple[dis.Instruction, ...]]:
    kept = tuple(i for i in dis.get_instructions(code) if i.opname not in _SKIPPED)
    return tuple(instruction.offset for instruction in kept), kept


@lru_cache(maxsize=16384)
def store_after(code: CodeType, lasti: int) -> tuple[str, ...]:
    """What follows the instruction at `lasti` if it stores the result, else ().

    ("name", n), ("attribute", owner, n) or ("item", owner, key as text).
    """
    offsets, kept = _instructions(code)
    at = bisect_right(offsets, lasti) - 1  # a frame inside a call stands in the caches behind it
    if at < 0:
        return ()
    following = kept[at + 1 : at + 5]
    if not following:
        return ()
    first = following[0]
    if first.opname.startswith("STORE_") and first.opname in (
        "STORE_FAST",
        "STORE_NAME",
        "STORE_GLOBAL",
        "STORE_DEREF",
    ):
        return ("name", str(first.argval))
    if len(following) >= 2 and first.opname in _LOADS and following[1].opname == "STORE_ATTR":
        return ("attribute", str(first.argval), str(following[1].argval))
    if (
        len(following) >= 3
        and first.opname in _LOADS
        and following[1].opname in _LOADS
        and following[2].opname == "STORE_SUBSCR"
    ):
        constant = following[1].opname in ("LOAD_CONST", "LOAD_SMALL_INT")
        key = repr(following[1].argval) if constant else "=" + str(following[1].argval)
        return ("item", str(first.argval), key)
    return ()


@lru_cache(maxsize=16384)
def collects(code: CodeType, lasti: int) -> bool:
    """Whether what follows puts the result into the list or dict of a comprehension."""
    offsets, kept = _instructions(code)
    at = bisect_right(offsets, lasti) - 1
    return 0 <= at < len(kept) - 1 and kept[at + 1].opname in ("LIST_APPEND", "MAP_ADD")


def stored_name(code: CodeType, lasti: int) -> str:
    """The name as the program writes it (`w`, `self.w`, `params['w']`), empty where none is stored."""
    target = store_after(code, lasti)
    if not target:
        return ""
    if target[0] == "name":
        return target[1]
    if target[0] == "attribute":
        return f"{target[1]}.{target[2]}"
    return f"{target[1]}[{target[2].removeprefix('=')}]"


def present_value(frame: FrameType, target: tuple[str, ...]) -> Any:
    """What the name of a coming store holds now; a private marker where it holds nothing.

    Reads variables, instance attributes and dict or list items only: no property or method of the
    program's is run.
    """
    if target[0] == "name":
        return _variable(frame, target[1])
    owner = _variable(frame, target[1])
    if target[0] == "attribute":
        for holder in (
            getattr(owner, "__dict__", {}),
            getattr(owner, "__dict__", {}).get("_parameters") or {},
        ):
            if target[2] in holder:
                return holder[target[2]]
        return _NOTHING
    if target[2].startswith("="):
        key = _variable(frame, target[2][1:])
    else:
        key = next((c for c in frame.f_code.co_consts if repr(c) == target[2]), _NOTHING)
        if key is _NOTHING and target[2].isdigit():
            key = int(target[2])
    if type(owner) is dict and _hashable(key):
        return owner.get(key, _NOTHING)
    if type(owner) is list and type(key) is int and -len(owner) <= key < len(owner):
        return owner[key]
    return _NOTHING


def _hashable(key: Any) -> bool:
    return isinstance(key, (str, int, tuple))


def _variable(frame: FrameType, name: str) -> Any:
    variables = variables_of(frame)
    if name in variables:
        return variables[name]
    return frame.f_globals.get(name, _NOTHING)
