"""Optimizers: where each was made, what it owns, when it steps."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.now import Now
from gradscope.recorder.order import OrderWatch
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, here
from gradscope.recorder.reads import GradReads
from gradscope.recorder.values import is_leaf, version

_FIRST_STEPS = 20


class StepLimit(BaseException):
    """Raised out of the program after the last optimizer step that was asked for.

    A BaseException, so that a program's `except Exception` lets it through.
    """


@dataclass(slots=True)
class OptimizerEntry:
    """What is known of one optimizer; `owned` are weak references to its parameters."""

    optimizer: weakref.ref[Optimizer]
    class_name: str
    loc: Loc
    owned: dict[int, weakref.ref[Tensor]] = field(default_factory=dict)
    fed: set[int] = field(default_factory=set)  # owned ids that had a gradient at a step
    steps: int = 0


class Optimizers:
    """Watches construction and steps; every step is a tick."""

    def __init__(
        self,
        now: Now,
        writes: WriteLog,
        reads: GradReads,
        order: OrderWatch,
        ticked: Callable[[], None],
        max_steps: int | None,
    ) -> None:
        self._now = now
        self._writes = writes
        self._reads = reads
        self._order = order
        self._ticked = ticked
        self._max_steps = max_steps
        self._versions: dict[int, list[tuple[Tensor, int]]] = {}
        self.entries: list[OptimizerEntry] = []
        self.steps = 0

    def install(self, patches: Patches) -> None:
        """Wraps the constructor, and registers torch's global step hooks."""
        construct = Optimizer.__init__
        watch = self

        def __init__(this: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            watch._now.in_optimizer.add(threading.get_ident())
            try:
                construct(this, *args, **kwargs)
            except ValueError as error:
                watch._refused(args, kwargs, error)
                raise
            finally:
                watch._now.in_optimizer.discard(threading.get_ident())
            watch._now.guarded("an optimizer", watch._constructed, this)

        patches.replace(Optimizer, "__init__", __init__)
        patches.hook(register_optimizer_step_pre_hook(_never_compiled(self._before_step)))
        patches.hook(register_optimizer_step_post_hook(_never_compiled(self._after_step)))

    def _constructed(self, optimizer: Optimizer) -> None:
        entry = OptimizerEntry(weakref.ref(optimizer), type(optimizer).__name__, here(2))
        self.entries.append(entry)
        self._order.constructed()
        self._refresh(entry, optimizer)

    @staticmethod
    def _refresh(entry: OptimizerEntry, optimizer: Optimizer) -> None:
        entry.owned = {
            id(p): weakref.ref(p)
            for group in optimizer.param_groups
            for p in group["params"]
            if isinstance(p, Tensor)
        }

    def _refused(self, args: tuple[Any, ...], kwargs: dict[str, Any], error: ValueError) -> None:
        if "non-leaf" not in str(error):
            return
        given = args[0] if args else kwargs.get("params")
        loc = here(2)
        for item in given if isinstance(given, (list, tuple)) else ():
            tensors = item.get("params", ()) if isinstance(item, dict) else (item,)
            for tensor in tensors if isinstance(tensors, (list, tuple)) else (tensors,):
                if isinstance(tensor, Tensor) and not is_leaf(tensor):
                    self._now.guarded("a refused tensor", self._refused_tensor, tensor, loc)

    def _refused_tensor(self, tensor: Tensor, loc: Loc) -> None:
        known = len(self._reads.rebindings())
        value = self._reads.refused(tensor, loc)
        caused = any(r.optimizer_at is not None for r in self._reads.rebindings()[:known])
        if value is not None and not caused:
            self._reads.add_refusal(value, "", loc)

    def _entry(self, optimizer: Optimizer) -> OptimizerEntry:
        for entry in self.entries:
            if entry.optimizer() is optimizer:
                return entry
        entry = OptimizerEntry(weakref.ref(optimizer), type(optimizer).__name__, here(3))
        self.entries.append(entry)
        self._refresh(entry, optimizer)
        return entry

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        try:
            closure = kwargs.get("closure") or next((a for a in args[1:] if callable(a)), None)
            if closure is None:
                self._now.in_optimizer.add(threading.get_ident())
            with torch._C.DisableTorchFunction():
                owned = [
                    p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)
                ]
                self._order.tell(self._order.before_step, optimizer, owned, closure is not None)
                self._versions[id(optimizer)] = [(p, version(p)) for p in owned]
                entry = self._entry(optimizer)
                if entry.steps < _FIRST_STEPS:
                    entry.fed.update(id(p) for p in owned if p.grad is not None)
        except Exception as error:  # noqa: BLE001
            self._now.fault("before a step", error)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._now.in_optimizer.discard(threading.get_ident())
        self._order.tell(self._order.after_step, optimizer)
        self._now.guarded("a step", self._stepped, optimizer)
        if self._max_steps is not None and self.steps >= self._max_steps:
            raise StepLimit

    def _stepped(self, optimizer: Optimizer) -> None:
        entry = self._entry(optimizer)
        entry.steps += 1
        self.steps += 1
        if entry.steps < _FIRST_STEPS or entry.steps & (entry.steps - 1) == 0:
            self._refresh(entry, optimizer)
        self._writes.stepped(self._versions.pop(id(optimizer), ()), f"{entry.class_name}.step", here(3))
        self._ticked()


def _never_compiled(hook: Callable[[Any, Any, Any], None]) -> Any:
    """The hook, marked as `torch.compiler.disable` marks it, which would import Dynamo for a second."""

    def outside(optimizer: Any, args: Any, kwargs: Any) -> None:
        hook(optimizer, args, kwargs)

    outside._torchdynamo_disable = True  # type: ignore[attr-defined]
    return outside
