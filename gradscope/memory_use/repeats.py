"""Why a forward that is run again does not do the same: what it changes that no checkpoint puts back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BlockModule
from gradscope.memory_use.attributes import Attributes, unchanged
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


def note_on_counts(work: Work, blocks: Sequence[BlockModule]) -> str | None:
    """A note on numbers that the forward of a block changes every time, as a recomputation does once more."""
    able = [block for block in blocks if block.reason is None]
    with unchanged(work):
        work.forward_without_graph()
        attributes = Attributes(module for block in able for module in block.module.modules())
        work.forward_without_graph()
        found = [(block.path, names) for block in able if (names := attributes.counted(block.module))]
    if not found:
        return None
    path, (name, *_) = found[0]
    more = f" and of {len(found) - 1} more blocks" if len(found) > 1 else ""
    return (
        f"the forward of {path}{more} changes self.{name} every time: checkpointed, it does so twice a step"
    )


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
