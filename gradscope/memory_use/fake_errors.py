"""What a program does that fake tensors cannot take part in: said with its line, and what to do instead."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from gradscope.errors import GradscopeError, UsageError
from gradscope.finding import Location
from gradscope.recorder.places import traceback_locations

ADVICE: Final = "leave out --fake, and make the model smaller instead: fewer layers, a smaller batch"

_NO_VALUES: Final = "fake tensors have shapes, but no values"
_BY_MESSAGE: Final = (
    (r"\.numpy\(\) is not supported", "the program makes a NumPy array of a tensor"),
    (r"unsupported format string passed to FakeTensor", "the program writes the value of a tensor into text"),
    (
        r"could not determine the shape of object type 'torch\.storage",
        "the program reads weights from a file",
    ),
    (r"Cannot access data pointer|data is not allocated", "a kernel reads the memory of a tensor directly"),
    (r"Cannot copy out of meta tensor", "the program copies the values of a tensor"),
    (r"Comparing\s+TensorLikePair", "the program traces a module with torch.jit, which compares values"),
)
_NO_KERNEL: Final = re.compile(r"(?P<op>[\w]+::[\w.]+).*(?:fake impl|Meta tensors|'Meta' backend)", re.DOTALL)


class NotOnFakesError(UsageError):
    """The program needs values or memory, which fake tensors do not have."""


@contextmanager
def told() -> Iterator[None]:
    """Turns what torch raises because tensors are fake into NotOnFakesError; the rest passes with a note."""
    try:
        yield
    except GradscopeError:
        raise
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            error.add_note("  this happened on fake tensors (--fake)")
            raise
        raise NotOnFakesError(
            f"this program does not run on fake tensors: {reason}",
            where=_where(traceback_locations(error.__traceback__)),
            try_next=(*_first_advice(error), ADVICE),
        ) from error


def _reason(error: Exception) -> str | None:
    match error:
        case DataDependentOutputException():
            return f"it reads the value of a tensor ({_called(error.func)}), and {_NO_VALUES}"
        case DynamicOutputShapeException():
            return f"the size of what {_called(error.func)} returns depends on values, and {_NO_VALUES}"
        case UnsupportedOperatorException():
            return f"{_called(error.func)} has no kernel that tells the shape of its output"
        case UnsupportedFakeTensorException():
            return str(error).partition("\n")[0]
    said = str(error)
    for pattern, reason in _BY_MESSAGE:
        if re.search(pattern, said):
            return f"{reason}, and {_NO_VALUES}"
    if isinstance(error, (NotImplementedError, RuntimeError)) and (found := _NO_KERNEL.search(said)):
        return f"{found['op']} has no kernel that tells the shape of its output"
    return None


def _first_advice(error: Exception) -> tuple[str, ...]:
    if isinstance(error, UnsupportedOperatorException):
        return (f'give it one: @torch.library.register_fake("{_name(error.func)}")',)
    return ()


def _name(op: object) -> str:
    """`mylib::op` of an overload."""
    return str(getattr(op, "_schema", op)).partition("(")[0].partition(".")[0]


def _called(op: object) -> str:
    """The op as a program would call it: "item()" for what torch calls aten::_local_scalar_dense."""
    name = _name(op).removeprefix("aten::")
    return {"_local_scalar_dense": "item(), bool() or a comparison in an if"}.get(name, name)


def _where(frames: list[Location]) -> tuple[str, ...]:
    """The innermost line of the program, and that of its own file where the innermost is a library's."""
    if not frames:
        return ()
    own = [frame for frame in frames if "site-packages" not in frame.path]
    shown = [frames[-1]] if not own or own[-1] is frames[-1] else [frames[-1], own[-1]]
    return tuple(
        f"{frame.path}:{frame.line}  {linecache.getline(frame.path, frame.line).strip()}".rstrip()
        for frame in shown
    )
