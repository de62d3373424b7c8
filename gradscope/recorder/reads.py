"""`.grad` reads that find nothing, and the statements that took a leaf's name away."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import Tensor

from gradscope.facts import NonleafGradRead, Rebinding
from gradscope.finding import Location
from gradscope.folds.flow import Value
from gradscope.recorder.names import variables_of
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc, intern_loc, user_frame
from gradscope.recorder.stores import collects, present_value, store_after, stored_name
from gradscope.recorder.values import TensorValues

_MOST = 256


@dataclass(slots=True)
class _Rebound:
    name: str
    op: str
    loc: Loc
    leaf: weakref.ref[Tensor]
    leaf_id: int
    count: int = 1
    read: Loc | None = None
    refused_by: Loc | None = None
    had_gradient: bool = False
    lost: bool = False


class GradReads:
    """Rebindings of leaves as they happen, and the reads and refusals that make them matter."""

    def __init__(self, now: Now, values: TensorValues) -> None:
        self._now = now
        self._values = values
        self._rebound: list[_Rebound] = []
        self._by_loc: dict[Loc, int] = {}
        self._reads: dict[Loc, list[Any]] = {}
        self._last: Loc | None = None
        self.registered: set[int] = set()  # ids of parameters registered in modules: never lost

    def assigned(self, tensor: Tensor, inputs: list[Tensor], op: str, loc: Loc, value: Value) -> None:
        """A differentiable op on a leaf returned: does the leaf's own name receive the result?"""
        if loc.code is None:
            return
        target = store_after(loc.code, loc.lasti)
        if not target and not collects(loc.code, loc.lasti):
            return
        leaves = [t for t in inputs if (v := self._values.peek(t)) is not None and v.leaf is not None]
        if all(id(t) in self.registered for t in leaves):
            return
        frame = user_frame(sys._getframe(1))
        if frame is None or frame.f_code is not loc.code:
            return
        if not target:  # a comprehension is a frame of its own, and its caller stores the list
            frame = frame.f_back
            if frame is None or frame.f_code.co_filename != loc.code.co_filename:
                return
            loc = intern_loc(frame)
            target = store_after(frame.f_code, frame.f_lasti)
        held = _leaf_in(present_value(frame, target), leaves) if target else None
        if held is None:
            return
        index = self._by_loc.get(loc)
        if index is None:
            if len(self._rebound) >= _MOST:
                return
            index = self._by_loc[loc] = len(self._rebound)
            name = stored_name(frame.f_code, frame.f_lasti)
            self._rebound.append(_Rebound(name, op, loc, weakref.ref(held), id(held)))
        else:
            known = self._rebound[index]
            known.count += 1
            known.leaf = weakref.ref(held)
        self._rebound[index].had_gradient |= held.grad is not None
        value.rebound = index

    def tick(self) -> None:
        """Notes which leaves are gone by now; at the end of a program everything goes."""
        for rebound in self._rebound:
            rebound.lost = rebound.lost or rebound.leaf() is None

    def nonleaf(self, tensor: Tensor, loc: Loc, frame: FrameType) -> None:
        """`.grad` of a non-leaf was read."""
        self._last = loc
        value = self._values.peek(tensor)
        for index in self._rebindings_above(value):
            rebound = self._rebound[index]
            rebound.read = rebound.read or loc
        known = self._reads.get(loc)
        if known is not None:
            known[2] += 1
        elif len(self._reads) < _MOST:
            self._reads[loc] = [_name_in(frame, tensor), value, 1]

    def refused(self, tensor: Tensor, loc: Loc) -> Value | None:
        """An optimizer refused a non-leaf; returns the value it was given."""
        value = self._values.peek(tensor)
        for index in self._rebindings_above(value):
            self._rebound[index].refused_by = loc
        return value

    def add_refusal(self, value: Value, name: str, loc: Loc) -> None:
        """A tensor that never was a leaf (`torch.randn(3, requires_grad=True) * 0.1`) was to be optimized."""
        assert isinstance(value.loc, Loc)
        rebound = _Rebound(name, value.op, value.loc, weakref.ref(_Nothing()), 0, refused_by=loc)  # type: ignore[arg-type]
        self._rebound.append(rebound)

    def _rebindings_above(self, value: Value | None, limit: int = 64) -> list[int]:
        found: list[int] = []
        seen: set[int] = set()
        queue = [value] if value is not None else []
        while queue and len(seen) < limit:
            one = queue.pop(0)
            if id(one) in seen:
                continue
            seen.add(id(one))
            if one.rebound is not None:
                found.append(one.rebound)
                continue
            queue.extend(parent for parent in one.parents if parent.requires_grad)
        return found

    def last_read(self) -> Location | None:
        """Where `.grad` of a non-leaf was read last."""
        return self._last.location() if self._last is not None else None

    def rebindings(self) -> tuple[Rebinding, ...]:
        """What was rebound, with what came of it."""
        return tuple(
            Rebinding(
                r.loc.location(),
                r.name,
                r.op,
                r.read.location() if r.read else None,
                r.refused_by.location() if r.refused_by else None,
                leaf_lost=r.lost,
                leaf_had_gradient=r.had_gradient,
                count=r.count,
            )
            for r in self._rebound
        )

    def reads(self) -> tuple[NonleafGradRead, ...]:
        """The reads, one for each line."""
        return tuple(
            NonleafGradRead(
                loc.location(),
                name,
                value.op if value else None,
                value.loc.location() if value else None,
                count,
            )
            for loc, (name, value, count) in self._reads.items()
        )


def _leaf_in(held: Any, leaves: list[Tensor]) -> Tensor | None:
    """The leaf that a name holds, by itself or as an item of a list or dict."""
    items = held.values() if type(held) is dict else held if type(held) in (list, tuple) else (held,)
    return next((leaf for item in items for leaf in leaves if item is leaf), None)


class _Nothing:
    pass


def _name_in(frame: FrameType, tensor: Tensor) -> str | None:
    for names in (variables_of(frame), frame.f_globals):
        for name, held in names.items():
            if held is tensor:
                return name
    return None
