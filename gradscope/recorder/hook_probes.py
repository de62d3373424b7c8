"""What stands before and after one of the program's hooks while a backward is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from gradscope.facts import HookChange, HookKind
from gradscope.folds.hooks import HookKey
from gradscope.recorder.hook_effects import change_between, is_readable
from gradscope.recorder.places import Loc


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """One registration. `leaf` is the id of the leaf it is on, `name` what else it is on is called."""

    key: HookKey
    place: Loc | None = None
    leaf: int | None = None
    name: str = ""


class Watching(Protocol):
    """What the probes tell."""

    @property
    def looking(self) -> bool:
        """Whether a backward is being looked at."""

    def ran(self, registered: Registered, after: Tensor, change: HookChange | None) -> None:
        """A hook ran on one gradient, which is `after` now."""

    def fault(self, error: Exception) -> None:
        """A probe failed."""


class Probe:
    """Stands before and after one hook: keeps a copy of what it is given, and compares."""

    __slots__ = ("_held", "_registered", "_watch")

    def __init__(self, watch: Watching, registered: Registered) -> None:
        self._watch = watch
        self._registered = registered
        self._held: list[Tensor | None] = []

    def before(self, *given: Any) -> None:
        """Called as the hook will be."""
        if self._watch.looking:
            self._guarded(self._copy, given)

    def after(self, *given: Any) -> None:
        """Called as the hook was, with what is there now."""
        if self._watch.looking and self._held:
            self._guarded(self._compare, given)
            self._held = []

    def _guarded(self, look: Callable[[Sequence[Any]], None], given: Sequence[Any]) -> None:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                if not torch._C._len_torch_dispatch_stack():
                    look(_gradients(self._registered.key.kind, given))
        except Exception as error:  # noqa: BLE001  must not reach the program's backward
            self._watch.fault(error)

    def _copy(self, gradients: Sequence[Any]) -> None:
        self._held = [g.detach().clone() if is_readable(g) else None for g in gradients]

    def _compare(self, gradients: Sequence[Any]) -> None:
        for held, now in zip(self._held, gradients, strict=False):
            if held is not None and is_readable(now):
                self._watch.ran(self._registered, now, change_between(held, now))


def _gradients(kind: HookKind, given: Sequence[Any]) -> Sequence[Any]:
    """The gradients among what a hook of this kind is called with."""
    if kind is HookKind.ACCUMULATED:
        return (given[0].grad,)
    first = given[1] if len(given) > 1 and isinstance(given[0], torch.nn.Module) else given[0]
    return first if isinstance(first, (tuple, list)) else (first,)
