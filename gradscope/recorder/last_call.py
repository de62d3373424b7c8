"""What the call that ended the program was given: a NaN is often refused before any backward sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.visits import Content
from gradscope.recorder.ops import op_name
from gradscope.recorder.places import Loc, is_inner
from gradscope.recorder.stats import PLAIN, content, has_gradient_dtype, why_unreadable

_MOST = 64  # tensors looked at: the locals of a few frames


@dataclass(frozen=True, slots=True)
class Refused:
    """A non-finite tensor that the last call was given. `by` is the function, "" where the program raised."""

    tensor: Tensor
    found: Content
    by: str
    loc: Loc


def refused_by(error: BaseException) -> Refused | None:
    """The first NaN that was handed to the library call that raised `error`.

    Where the program raised it itself, the scalar with a graph that is NaN or Inf beside it: its loss.
    None where there is no such tensor: then the error is about something else.
    """
    frames = list(_frames(error))
    own = [index for index, (frame, _) in enumerate(frames) if not is_inner(frame.f_code)]
    if not own:
        return None
    last, lasti = frames[own[-1]]
    loc = Loc(last.f_code, lasti)
    called = [frame for frame, _ in frames[own[-1] + 1 :]]
    if not called:
        losses = (t for t in _tensors(last.f_locals.values()) if t.dim() == 0 and t.grad_fn is not None)
        return _first(losses, (Content.NAN, Content.INF), "", loc)
    given = (tensor for frame in called for tensor in _tensors(frame.f_locals.values()))
    return _first(given, (Content.NAN,), _name(called[0]), loc)


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    entry = error.__traceback__
    while entry is not None:
        yield entry.tb_frame, entry.tb_lasti
        entry = entry.tb_next


def _name(frame: FrameType) -> str:
    """The function as one would call it: `Categorical` for its `__init__`; an op by its own name."""
    if frame.f_code.co_name == "__torch_function__" and "func" in frame.f_locals:
        return op_name(frame.f_locals["func"])
    return frame.f_code.co_qualname.removesuffix(".__init__").rpartition(".")[2]


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Tensors among local variables, also in the lists of arguments among them."""
    for value in values:
        if type(value) in PLAIN:
            yield value
        elif isinstance(value, (tuple, list)):
            yield from (item for item in value if type(item) in PLAIN)


def _first(tensors: Iterator[Tensor], wanted: tuple[Content, ...], by: str, loc: Loc) -> Refused | None:
    seen: set[int] = set()
    for tensor in tensors:
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if len(seen) > _MOST:
            break
        if not has_gradient_dtype(tensor) or why_unreadable([tensor]):
            continue
        with torch.no_grad():
            found = content(tensor)
        if found in wanted:
            return Refused(tensor, found, by, loc)
    return None
