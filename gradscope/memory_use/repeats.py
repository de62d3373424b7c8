"""Why a forward that is run again does not do the same: what it changes that no checkpoint puts back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gradscope.loader.work import Work
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.calls import tensors_of


def what_changes(work: Work, module: nn.Module) -> str | None:
    """What one forward of the work shows of the module, as a sentence; None where it shows nothing."""
    with unchanged(work) as attributes, _watched(module) as given, work.again():
        loss = work.forward()
        is_changed = any(tensor._version != version for tensor, version in given)
        changed = [f"self.{name}" for name in attributes.changed(module)]
    del loss
    if changed:
        return f"its forward changes {', '.join(changed[:3])}, which the recomputation finds changed"
    if is_changed:
        return "a tensor that it is called with is changed in place, in its forward or after it"
    return None


@contextmanager
def _watched(module: nn.Module) -> Iterator[list[tuple[Tensor, int]]]:
    """What comes out are the tensors that the module is called with, and their versions."""
    given: list[tuple[Tensor, int]] = []

    def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
        given.extend((tensor, tensor._version) for tensor in tensors_of((args, kwargs)))

    entering = module.register_forward_pre_hook(enter, with_kwargs=True)
    try:
        yield given
    finally:
        entering.remove()
